// The packs that are served beside the page.

export interface BundledPack {
  readonly name: string;
  /** Relative to the page; the pack's folder. */
  readonly address: string;
  /** What it is good for, in a few words. */
  readonly purpose: string;
}

/** The first is loaded with the page. */
export const BUNDLED_PACKS: readonly [BundledPack, ...BundledPack[]] = [
  { name: 'nano', address: 'packs/nano/', purpose: '1.4M parameters after projection; trains on a processor' },
  { name: 'base', address: 'packs/base/', purpose: '10M parameters after projection, for a graphics card; little pretrained so far (13M tokens)' },
];
