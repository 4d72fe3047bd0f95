// One-time codes as an authenticator app makes them: RFC 6238 with SHA-1, six digits, thirty seconds.
import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const period = 30_000;

export class Authenticator {
  #key;
  #lastStep = 0;

  // secret is base32 as the server shows it: spaces and lower case are fine.
  constructor(secret) {
    this.#key = decode(secret);
  }

  // next gives a code that it never gave before. The server takes the step after the current one too, so only the
  // third code within thirty seconds has to wait.
  async next() {
    const step = Math.max(currentStep(), this.#lastStep + 1);
    const early = (step - 1) * period - Date.now();
    if (early > 0) await sleep(early + 100);
    this.#lastStep = step;
    return hotp(this.#key, step);
  }
}

function currentStep() {
  return Math.floor(Date.now() / period);
}

// RFC 4226 §5.3
function hotp(key, counter) {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(counter));
  const mac = createHmac('sha1', key).update(message).digest();
  const number = mac.readUInt32BE(mac[19] & 0xf) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}

// RFC 4648 §6, without padding
function decode(text) {
  const bytes = [];
  let bits = 0;
  let value = 0;
  for (const letter of text.replace(/[\s=-]/g, '').toUpperCase()) {
    const index = alphabet.indexOf(letter);
    if (index < 0) throw new Error('TOTP_SECRET is not base32');
    value = (value << 5) | index;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 0xff);
    }
    value &= 0xff;
  }
  return Buffer.from(bytes);
}
