// Sent with every page. Scripts are left to Next.js, which inlines the data of a page.
const CONTENT_POLICY =
  "base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/** @type {import('next').NextConfig} */
module.exports = {
  // A folder that runs with nothing but node: .next/standalone/server.js
  output: 'standalone',
  outputFileTracingRoot: __dirname,
  poweredByHeader: false,
  // The pictures are SVG, so there is nothing to resize.
  images: { unoptimized: true },
  outputFileTracingExcludes: { '*': ['node_modules/sharp/**', 'node_modules/@img/**'] },
  async headers() {
    return [
      {
        source: '/:path*',
        headers: [
          { key: 'Content-Security-Policy', value: CONTENT_POLICY },
          { key: 'Referrer-Policy', value: 'same-origin' },
          { key: 'X-Content-Type-Options', value: 'nosniff' },
        ],
      },
    ];
  },
};
