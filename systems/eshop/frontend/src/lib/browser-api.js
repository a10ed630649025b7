// The API as the browser sees it. A relative address by default, so any host name works.
const API_URL = process.env.NEXT_PUBLIC_API_URL || '/api/v1';
const TIMEOUT_MS = 15000;

export class ApiError extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

const FIELD_NAMES = {
  email: 'E-mail',
  name: 'Name',
  password: 'Password',
  ship_name: 'Recipient',
  ship_address: 'Address',
};

// The API reports a bad field as a list (422) and everything else as one line of text.
function errorText(status, body) {
  const detail = body?.detail;
  if (typeof detail === 'string') {
    return detail.charAt(0).toUpperCase() + detail.slice(1) + '.';
  }
  if (Array.isArray(detail) && detail.length > 0) {
    const field = String(detail[0].loc?.at(-1) ?? '');
    return `${FIELD_NAMES[field] ?? field}: ${detail[0].msg}.`;
  }
  return `The shop answered with an error (${status}).`;
}

export async function post(path, body) {
  let response;
  try {
    response = await fetch(`${API_URL}${path}`, {
      method: 'POST',
      credentials: 'include',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body ?? {}),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new ApiError(0, 'The shop could not be reached. Please try again.');
  }
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) {
    throw new ApiError(response.status, errorText(response.status, answer));
  }
  return answer;
}
