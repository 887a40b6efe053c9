/** How long a silent peer is believed to live before the kernel begins to ask; without it, the system's two hours. */
export const PROBE_DELAY_MS = 60_000;
/** Longest time of a client's TLS handshake, unless said otherwise. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** How long a client may take nothing of what waits for it, unless said otherwise: much longer than the server's `send_timeout`, which a client may set for itself. */
export const SEND_TIMEOUT_MS = 3_600_000;
