import { fileURLToPath } from 'node:url';
import { installOnce } from '../../parts/cache.ts';

/** Python with clickhouse-driver as pinned, in a virtual environment of its own. */
export async function usePythonDriver(): Promise<string> {
  const folder = await installOnce({
    name: 'python-driver',
    files: [fileURLToPath(new URL('./requirements-driver.txt', import.meta.url))],
    command: 'sh',
    args: ['-c', 'python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements-driver.txt'],
  });
  return `${folder}/venv/bin/python`;
}
