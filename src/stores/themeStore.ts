// Light or dark: the system's choice until the user makes one, which is then kept in this browser.
import { createStore, type StoreApi } from 'zustand/vanilla';

export type Theme = 'light' | 'dark';

export interface ThemeState {
  readonly theme: Theme;
  toggle(): void;
}

export type ThemeStore = StoreApi<ThemeState>;

/** What the store needs of a browser; tests hand in their own. */
export interface ThemeSurroundings {
  readonly systemPrefersDark: Pick<MediaQueryList, 'matches' | 'addEventListener'>;
  load(): string | null;
  save(theme: Theme): void;
}

const STORAGE_KEY = 'studio.theme';

/** The page's own surroundings. A browser that forbids storage still has themes; it forgets them. */
export function browserSurroundings(): ThemeSurroundings {
  return {
    systemPrefersDark: window.matchMedia('(prefers-color-scheme: dark)'),
    load: () => {
      try {
        return localStorage.getItem(STORAGE_KEY);
      } catch {
        return null;
      }
    },
    save: (theme) => {
      try {
        localStorage.setItem(STORAGE_KEY, theme);
      } catch {
        // Storage is full or forbidden: the choice lasts as long as the page.
      }
    },
  };
}

export function createThemeStore({ systemPrefersDark, load, save }: ThemeSurroundings): ThemeStore {
  const stored = load();
  let chosen: Theme | undefined = stored === 'light' || stored === 'dark' ? stored : undefined;
  const systemTheme = (): Theme => (systemPrefersDark.matches ? 'dark' : 'light');

  const store = createStore<ThemeState>()((set, get) => ({
    theme: chosen ?? systemTheme(),
    toggle: () => {
      chosen = get().theme === 'dark' ? 'light' : 'dark';
      save(chosen);
      set({ theme: chosen });
    },
  }));
  systemPrefersDark.addEventListener('change', () => {
    if (!chosen) store.setState({ theme: systemTheme() });
  });
  return store;
}
