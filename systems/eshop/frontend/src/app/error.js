'use client';

export default function ErrorPage({ reset }) {
  return (
    <section className="page">
      <h1>One moment, please</h1>
      <p className="lead">The shop cannot reach its storehouse right now.</p>
      <button type="button" className="primary" onClick={() => reset()}>
        Try again
      </button>
    </section>
  );
}
