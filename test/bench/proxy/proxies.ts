import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { arch } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installOnce } from '../../parts/cache.ts';
import { makeFolder } from '../../parts/folder.ts';
import { freePort } from '../../parts/ports.ts';
import { startProcess, type RunningProcess } from '../../parts/process.ts';

const HERE = fileURLToPath(new URL('./', import.meta.url));

/** nginx or haproxy in front of a server. */
export interface Proxy {
  readonly httpPort: number;
  /** 0 where the native protocol is not relayed. */
  readonly nativePort: number;
  /** Of the process and its workers. */
  pids(): readonly number[];
  stop(): Promise<void>;
}

export interface ServerPorts {
  readonly httpPort: number;
  readonly nativePort: number;
}

/**
 * nginx with kept connections to the server, no access log, and as many workers as cores, as Debian has it. Not buffered: pieces pass as they
 * come, which long queries and inserts need. Buffered: nginx's defaults, which write what a slow reader has not taken yet to the disk.
 */
export async function startNginx(server: ServerPorts, isBuffered: boolean): Promise<Proxy> {
  const folder = makeFolder('nginx');
  const httpPort = await freePort();
  for (const name of ['body', 'proxy', 'other']) mkdirSync(join(folder, name));
  // Else root's workers run as somebody who may not write into the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const unbuffered = 'proxy_buffering off; proxy_request_buffering off;';
  const config = `
${user}
worker_processes auto;
daemon off;
pid ${folder}/pid;
error_log stderr warn;
events { worker_connections 768; }
http {
  access_log off;
  tcp_nodelay on;
  client_max_body_size 0;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/other; uwsgi_temp_path ${folder}/other; scgi_temp_path ${folder}/other;
  keepalive_requests 1000000000;
  upstream clickhouse { server 127.0.0.1:${server.httpPort}; keepalive 64; keepalive_requests 1000000000; keepalive_timeout 2s; }
  server {
    listen 127.0.0.1:${httpPort};
    location / {
      proxy_pass http://clickhouse;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      ${isBuffered ? '' : unbuffered}
    }
  }
}
`;
  const nginx = await startUnpacked('nginx', folder, config, httpPort, (file) => ['-c', file, '-p', folder, '-e', 'stderr']);
  return proxyOf(nginx, httpPort, 0);
}

/** haproxy: connections of TCP for the native protocol, requests of HTTP beside it. */
export async function startHaproxy(server: ServerPorts): Promise<Proxy> {
  const folder = makeFolder('haproxy');
  const httpPort = await freePort();
  const nativePort = await freePort();
  const config = `
global
  maxconn 2000
defaults
  timeout connect 10s
  timeout client 10m
  timeout server 10m
listen native
  mode tcp
  bind 127.0.0.1:${nativePort}
  server clickhouse 127.0.0.1:${server.nativePort}
listen http
  mode http
  bind 127.0.0.1:${httpPort}
  http-reuse safe
  server clickhouse 127.0.0.1:${server.httpPort}
`;
  const haproxy = await startUnpacked('haproxy', folder, config, httpPort, (file) => ['-db', '-f', file]);
  return proxyOf(haproxy, httpPort, nativePort);
}

async function startUnpacked(
  name: string,
  folder: string,
  config: string,
  port: number,
  argumentsFor: (configFile: string) => readonly string[],
): Promise<RunningProcess> {
  const installed = await installOnce({ name: 'proxies', files: [join(HERE, 'install.sh')], command: 'sh', args: ['install.sh'] });
  const root = join(installed, 'root');
  const triplet = arch() === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const configFile = join(folder, 'config');
  writeFileSync(configFile, config);
  return startProcess({
    name,
    command: join(root, 'usr/sbin', name),
    args: argumentsFor(configFile),
    env: { LD_LIBRARY_PATH: ['usr/lib', 'lib'].map((path) => join(root, path, triplet)).join(':') },
    logFile: join(folder, 'output.log'),
    isReady: async () => isListening(port),
  });
}

async function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function proxyOf(running: RunningProcess, httpPort: number, nativePort: number): Proxy {
  return {
    httpPort,
    nativePort,
    pids: () => [running.pid, ...childrenOf(running.pid)],
    stop: async () => {
      await running.stop();
    },
  };
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}
