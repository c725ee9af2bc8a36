// Numbers as people read them. Used by the page, the command line and the model card, so that a figure looks the same everywhere.

/** Bytes with a binary unit, e.g. "10.5 MB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** A count with thousands separators or a short suffix from one million up, e.g. "12,345" or "5.51M". */
export function formatCount(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(2)}B`;
  if (count >= 1e6) return `${(count / 1e6).toFixed(2)}M`;
  return Math.round(count).toLocaleString('en-US');
}

/** A duration in words short enough for a status line, e.g. "1 h 4 min", "3 min 20 s" or "4.2 s". */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'unknown';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const total = Math.round(seconds);
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`;
  return `${Math.floor(total / 3600)} h ${Math.floor((total % 3600) / 60)} min`;
}

/** A share in [0, 1] as percent, e.g. "12.3%". */
export function formatPercent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

/** A ratio as the change it stands for, e.g. "−5.2%" for 0.948. */
export function formatChange(ratio: number): string {
  return `${ratio < 1 ? '−' : '+'}${formatPercent(Math.abs(ratio - 1))}`;
}

/** Floating-point operations in units of 10^12, e.g. "0.512". */
export function formatTeraflops(flops: number): string {
  return (flops / 1e12).toPrecision(3);
}

/** Perplexity with three significant digits or more, e.g. "26.85", "7.414", "1,234". */
export function formatPerplexity(perplexity: number): string {
  if (!Number.isFinite(perplexity)) return 'not finite';
  if (perplexity >= 1000) return Math.round(perplexity).toLocaleString('en-US');
  return perplexity >= 100 ? perplexity.toFixed(1) : perplexity >= 10 ? perplexity.toFixed(2) : perplexity.toFixed(3);
}

/** Perplexity with its interval, e.g. "26.85 (24.10 to 29.93)". */
export function formatPerplexityInterval({ perplexity, interval: [low, high] }: { readonly perplexity: number; readonly interval: readonly [number, number] }): string {
  return `${formatPerplexity(perplexity)} (${formatPerplexity(low)} to ${formatPerplexity(high)})`;
}
