// The shop's mark: a storehouse gate.
export default function Mark() {
  return (
    <svg className="mark" viewBox="0 0 40 40" aria-hidden="true">
      <path d="M3 14L20 3l17 11v4H3z" fill="currentColor" />
      <path d="M8 20h24v17H8z" fill="currentColor" opacity="0.85" />
      <path d="M16 25h8v12h-8z" fill="var(--paper)" />
    </svg>
  );
}
