// Archives are untrusted: a few kilobytes may expand to terabytes. Every expanded byte passes through here.
import { formatBytes } from '../core/format.ts';
import { UserError } from '../core/invariant.ts';

export interface ExpansionLimits {
  /** Expanded bytes per compressed byte. Text packs 3 to 15 times, very repetitive logs about 100; DEFLATE's maximum is 1,032. */
  readonly maxRatio: number;
  /** The ratio is judged from this many expanded bytes on, so that small repetitive files pass. */
  readonly ratioFromBytes: number;
  /** Expanded bytes of one archive in all. */
  readonly maxBytes: number;
}

export const EXPANSION_LIMITS: ExpansionLimits = { maxRatio: 200, ratioFromBytes: 16 * 2 ** 20, maxBytes: 2 * 2 ** 30 };

/** An archive that was refused for its expansion; never downgraded to a warning. */
export class ExpansionError extends UserError {
  override name = 'ExpansionError';
}

export class ExpansionGuard {
  private expanded = 0;

  constructor(private readonly path: string, private readonly compressedBytes: number, private readonly limits: ExpansionLimits) {}

  /** Counts `bytes` more expanded bytes. @throws ExpansionError over a limit */
  add(bytes: number): void {
    this.expanded += bytes;
    this.checkTotal(this.expanded);
  }

  /** Judges a total, also one only declared in an archive's directory. @throws ExpansionError over a limit */
  checkTotal(expanded: number): void {
    const { maxRatio, ratioFromBytes, maxBytes } = this.limits;
    if (expanded > maxBytes) throw new ExpansionError(`${this.path} expands to more than ${formatBytes(maxBytes)}, so it was refused.`);
    if (expanded > ratioFromBytes && expanded > maxRatio * this.compressedBytes) {
      throw new ExpansionError(`${this.path} expands to more than ${maxRatio} times its size, so it was refused as a possible zip bomb.`);
    }
  }
}
