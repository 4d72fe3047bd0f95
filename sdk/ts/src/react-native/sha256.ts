// SHA-256 (FIPS 180-4) for engines without WebCrypto, such as Hermes. What is summed up there is public or random.

const primes = Array.from({ length: 312 }, (_, i) => i).filter((n) => n > 1 && !Array.from({ length: n }, (_, d) => d).some((d) => d > 1 && n % d === 0));
const fraction = (root: number): number => ((root - Math.floor(root)) * 2 ** 32) | 0;

/** The 32 bytes of the sum. */
export function sha256(message: Uint8Array): Uint8Array {
  const sum = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
  const k = primes.map((p) => fraction(Math.cbrt(p)));
  const padded = new Uint8Array(((message.length + 72) >> 6) << 6);
  padded.set(message);
  padded[message.length] = 128;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 4, message.length * 8);
  for (let at = 0; at < padded.length; at += 64) block(sum, k, (i) => view.getInt32(at + 4 * i));
  const out = new DataView(new ArrayBuffer(32));
  sum.forEach((word, i) => out.setInt32(4 * i, word));
  return new Uint8Array(out.buffer);
}

function block(sum: number[], k: number[], word: (i: number) => number): void {
  const turn = (x: number, n: number): number => (x >>> n) | (x << (32 - n));
  const w: number[] = [];
  let [a, b, c, d, e, f, g, h] = sum as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < 64; i++) {
    const [p, q] = [w[i - 15] ?? 0, w[i - 2] ?? 0];
    w[i] = i < 16 ? word(i) : (w[i - 16]! + (turn(p, 7) ^ turn(p, 18) ^ (p >>> 3)) + w[i - 7]! + (turn(q, 17) ^ turn(q, 19) ^ (q >>> 10))) | 0;
    const t = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + k[i]! + w[i]!) | 0;
    const u = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t) | 0, c, b, a, (t + u) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((x, i) => (sum[i] = (sum[i]! + x) | 0));
}
