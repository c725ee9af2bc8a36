// Text out of ids one at a time, for samples that appear while they are generated: a character is shown once all its bytes are there.
import type { TextTokenizer } from './tokenizer.ts';

export class StreamingDecoder {
  private readonly utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  /** Ids and text so far; only used with tokenizers that are not byte-level. */
  private readonly ids: number[] = [];
  private emitted = '';

  constructor(private readonly tokenizer: TextTokenizer) {}

  /** The text that `id` completes; '' while a character is still in parts. */
  push(id: number): string {
    const bytes = this.tokenizer.tokenBytes(id);
    if (bytes) return this.utf8.decode(bytes, { stream: true });
    // Here a token's text depends on its place (a leading space, byte fallback), so everything is decoded again: O(n^2), for samples only.
    this.ids.push(id);
    const text = this.tokenizer.decode(this.ids);
    if (text.endsWith('\uFFFD')) return '';
    return this.take(text);
  }

  /** What is left at the end: an incomplete character as U+FFFD. */
  finish(): string {
    return this.ids.length > 0 ? this.take(this.tokenizer.decode(this.ids)) : this.utf8.decode();
  }

  private take(text: string): string {
    const added = text.slice(this.emitted.length);
    this.emitted = text;
    return added;
  }
}
