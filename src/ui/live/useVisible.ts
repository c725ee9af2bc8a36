// Whether an element is on the screen (or nearly), through an IntersectionObserver.
import { useEffect, useRef, useState, type RefObject } from 'react';

export function useVisible<T extends Element>(): [RefObject<T | null>, boolean] {
  const element = useRef<T>(null);
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    if (!element.current) return;
    const observer = new IntersectionObserver(([entry]) => setVisible(entry.isIntersecting), { rootMargin: '80px' });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, visible];
}
