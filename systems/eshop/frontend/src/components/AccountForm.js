'use client';

// Registering and logging in differ by a few fields, so they are one form with two tables.
import Link from 'next/link';
import { useState } from 'react';
import { post } from '@/lib/browser-api';

const EMAIL = {
  name: 'email',
  label: 'E-mail',
  type: 'email',
  maxLength: 254,
  autoComplete: 'email',
};
const NAME = { name: 'name', label: 'Name', type: 'text', maxLength: 80, autoComplete: 'name' };

const KINDS = {
  login: {
    path: '/auth/login',
    button: 'Log in',
    fields: [
      EMAIL,
      {
        name: 'password',
        label: 'Password',
        type: 'password',
        maxLength: 128,
        autoComplete: 'current-password',
      },
    ],
    other: { text: 'New here?', link: 'Make an account', href: '/register' },
  },
  register: {
    path: '/auth/register',
    button: 'Make an account',
    fields: [
      NAME,
      EMAIL,
      {
        name: 'password',
        label: 'Password, at least 10 characters',
        type: 'password',
        minLength: 10,
        maxLength: 128,
        autoComplete: 'new-password',
      },
    ],
    other: { text: 'Been here before?', link: 'Log in', href: '/login' },
  },
};

export default function AccountForm({ kind, next }) {
  const { path, button, fields, other } = KINDS[kind];
  const [error, setError] = useState(null);
  const [sending, setSending] = useState(false);

  async function submit(event) {
    event.preventDefault();
    setSending(true);
    setError(null);
    try {
      await post(path, Object.fromEntries(new FormData(event.currentTarget)));
      // A full load, so that the server draws the header for the person who is now logged in.
      window.location.assign(next);
    } catch (failure) {
      setError(failure.message);
      setSending(false);
    }
  }

  return (
    <form onSubmit={submit} className="form narrow">
      {fields.map(({ label, ...input }) => (
        <label key={input.name}>
          {label}
          <input required {...input} />
        </label>
      ))}
      <p role="alert" className="error">
        {error}
      </p>
      <button type="submit" className="primary" disabled={sending} data-testid="account-submit">
        {button}
      </button>
      <p className="quiet">
        {other.text}{' '}
        <Link href={`${other.href}?next=${encodeURIComponent(next)}`}>{other.link}</Link>
      </p>
    </form>
  );
}
