import { drawPicture } from '@/lib/drawing';

const FILE = /^([a-z]{1,20})-([a-z]{1,20})\.svg$/;
// The name does not change with the drawing, so a browser asks again after a week.
const CACHE_CONTROL = 'public, max-age=604800';

export async function GET(request, { params }) {
  const [, shape, tint] = FILE.exec((await params).file) ?? [];
  if (!shape) {
    return new Response('There is no such picture.\n', { status: 404 });
  }
  return new Response(drawPicture(shape, tint), {
    headers: { 'content-type': 'image/svg+xml', 'cache-control': CACHE_CONTROL },
  });
}
