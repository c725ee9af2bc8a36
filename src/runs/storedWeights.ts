// Named tensors as one array and a table of where each lies: what the database keeps of a model.
import { numElements, type HostTensors } from '../core/tensor.ts';

export interface StoredWeights {
  readonly layout: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** The tensors one after the other, in the layout's order. */
  readonly values: Float32Array;
}

/** Copies, so that neither an arena's padding nor what lies beside it is stored. */
export function storedWeights(tensors: HostTensors): StoredWeights {
  const values = new Float32Array([...tensors.values()].reduce((sum, { data }) => sum + data.length, 0));
  let end = 0;
  const layout = Array.from(tensors, ([name, { shape, data }]) => {
    values.set(data, end);
    end += data.length;
    return { name, shape };
  });
  return { layout, values };
}

/** Views of the stored values by name; no copies are made. */
export function namedTensors({ layout, values }: StoredWeights): HostTensors {
  let end = 0;
  return new Map(layout.map(({ name, shape }) => {
    const start = end;
    end += numElements(shape);
    return [name, { shape, data: values.subarray(start, end) }];
  }));
}
