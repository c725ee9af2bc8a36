// A pack's reservoir as those who train on it see it: generic text as token ids, grouped by the clusters of the pack's experts (cluster c is expert c).
// Read by pack/reservoirFile.ts, resampled by data/reservoirWindows.ts.

/** One cluster's text. Both parts are views of the reservoir's own memory: not to be changed. */
export interface ReservoirCluster {
  /** Text to train on: the cluster's windows (at most the pack's windowTokens each) end to end, [numTokens]. */
  readonly train: Uint16Array;
  /** From documents that no pretraining saw: an even sample of them over all clusters, so that the plain mean of its losses is generic perplexity. [numTokens] */
  readonly heldOut: Uint16Array;
}

export interface Reservoir {
  /** [k]; a cluster may have no text of either kind. */
  readonly clusters: readonly ReservoirCluster[];
  /** Tokens of both parts of all clusters; 2 bytes of memory each. */
  readonly numTokens: number;
}
