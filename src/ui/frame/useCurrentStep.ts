// Which step the reader is at: the last one whose heading has passed the upper third of the window.
import { useEffect, useState } from 'react';
import { STEPS, type StepId } from '../steps.ts';

export function useCurrentStep(): StepId {
  const [current, setCurrent] = useState<StepId>('pack');
  useEffect(() => {
    const sections = STEPS.map(({ id }) => document.getElementById(id)).filter((section) => section !== null);
    const crossing = new Set<Element>();
    // Only the band around the upper third counts, so exactly the section under it is current.
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          if (isIntersecting) crossing.add(target);
          else crossing.delete(target);
        }
        const first = sections.find((section) => crossing.has(section));
        if (first) setCurrent(first.id as StepId);
      },
      { rootMargin: '-30% 0px -69% 0px' },
    );
    for (const section of sections) observer.observe(section);
    return () => observer.disconnect();
  }, []);
  return current;
}
