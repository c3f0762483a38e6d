import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { z } from 'zod';

/*
 * A few of the golden numbers from onnxruntime's WebGPU provider, on SwiftShader, which is Vulkan without a GPU and comes with
 * Chromium. Where there is none the test is skipped, and says so.
 */

const driver = ['/usr/lib/chromium/vk_swiftshader_icd.json', '/opt/google/chrome/vk_swiftshader_icd.json'].find(existsSync);
if (!driver) console.warn('WebGPU is not tested: no SwiftShader (Debian: apt-get install chromium)');

it.skipIf(!driver)(
  'WebGPU gives the golden numbers',
  async () => {
    const program = fileURLToPath(new URL('../test/webgpu.ts', import.meta.url));
    const libraries = dirname(driver ?? '');
    const env = { ...process.env, VK_ICD_FILENAMES: join(libraries, 'vk_swiftshader_icd.json'), LD_LIBRARY_PATH: libraries };
    const { stdout } = await promisify(execFile)(process.execPath, [program], { env, maxBuffer: 2 ** 24 });
    const errors = z.record(z.string(), z.number()).parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
    expect(Object.keys(errors).length).toBe(9);
    // Vulkan leaves sines and cosines, of the timesteps, an error of 2⁻¹¹; all else is float32.
    for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(/text|vae/.test(name) ? 1e-5 : 2e-4);
  },
  300_000,
);
