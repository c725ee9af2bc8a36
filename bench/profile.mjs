// node bench/profile.mjs [--model nano|small] [--steps N] [--repeats N] [--hardware] [--json FILE]
// Where our training step's time goes, kernel by kernel, in Node without a browser: on Chromium's software adapter, or with --hardware on the GPU that Vulkan finds.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { provideWebGpu, withModules } from './nodeGpu.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'nano' },
    steps: { type: 'string', default: '5' },
    repeats: { type: 'string', default: '5' },
    hardware: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
await provideWebGpu({ hardware: values.hardware });
const profile = await withModules(async (load) => {
  const { WORKLOADS } = await load('bench/step/workload.ts');
  const workload = WORKLOADS[values.model];
  if (!workload) throw new Error(`--model takes ${Object.keys(WORKLOADS).join(' or ')}, not ${values.model}`);
  const { profileStep } = await load('bench/profile/profile.ts');
  return profileStep(workload, { steps: Number(values.steps), repeats: Number(values.repeats) });
});
if (values.json) writeFileSync(values.json, `${JSON.stringify(profile, undefined, 2)}\n`);
console.log(`${values.model} on ${profile.adapter}: step ${profile.medianMilliseconds.toFixed(2)} ms (${profile.gigaflopsPerSecond.toFixed(1)} GFLOP/s), kernels alone ${profile.kernelMilliseconds.toFixed(2)} ms`);
for (const { kernel, dispatches, milliseconds } of profile.kernels) {
  console.log(`${milliseconds.toFixed(3).padStart(10)} ms ${((100 * milliseconds) / profile.kernelMilliseconds).toFixed(1).padStart(5)}%  ${String(dispatches).padStart(3)} x ${kernel}`);
}
process.exit(0); // Dawn keeps the process alive otherwise
