// MCP's conformance suite names a function of node:fs that Node has since 22, and calls it only to judge SDKs. On Node 20 it would
// not start for that alone: node --import ./node20.mjs.
import { register } from 'node:module';

const hooks = `export async function load(url, context, next) {
  const loaded = await next(url, context);
  if (!url.endsWith('/conformance/dist/index.js')) return loaded;
  return { ...loaded, source: String(loaded.source).replace(/\\bglobSync as \\w+,/, '') };
}`;
register('data:text/javascript,' + encodeURIComponent(hooks));
