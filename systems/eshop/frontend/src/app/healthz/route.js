// Says that this process serves pages. It does not ask the backend, which has a health check of
// its own: a database that is down must not get the front end restarted.
export const dynamic = 'force-dynamic';

export function GET() {
  return Response.json({ status: 'ok' }, { headers: { 'cache-control': 'no-store' } });
}
