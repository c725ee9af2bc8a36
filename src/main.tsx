// Opens the studio and mounts the page.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { openStudio } from './stores/studio.ts';
import { App } from './ui/App.tsx';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no element with the id "root".');

createRoot(root).render(
  <StrictMode>
    <App studio={openStudio()} />
  </StrictMode>,
);
