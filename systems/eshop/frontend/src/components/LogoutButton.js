'use client';

import { post } from '@/lib/browser-api';

async function logOut() {
  await post('/auth/logout').catch(() => {});
  window.location.assign('/');
}

export default function LogoutButton() {
  return (
    <button type="button" className="plain" onClick={logOut}>
      Log out
    </button>
  );
}
