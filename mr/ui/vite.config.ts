/** How the interface is built: relative addresses (the server puts the base in), hashed names, gzip beside. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const COMPRESSED = /\.(js|css|svg|json)$/;

/** Writes `name.gz` beside every text asset: the server sends these bytes as they are. */
function precompressed(): Plugin {
  return {
    name: 'burgee-precompressed',
    apply: 'build',
    writeBundle(options) {
      const folder = options.dir ?? 'dist';
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (!COMPRESSED.test(name)) continue;
        const path = join(folder, name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
      }
    },
  };
}

const server = process.env.BURGEE_SERVER ?? 'http://localhost:8085';

export default defineConfig({
  base: './',
  plugins: [react(), precompressed()],
  resolve: { alias: { '@': fileURLToPath(new URL('src', import.meta.url)) } },
  build: { target: 'es2022', sourcemap: false, modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  server: {
    // The names of the host stay as the browser sends them: the server compares them with the origin.
    proxy: Object.fromEntries(
      ['/mr-api', '/info', '/oauth', '/saml', '/features'].map((path) => [path, { target: server, changeOrigin: false }]),
    ),
  },
});
