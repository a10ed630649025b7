// A file of its own (app/pictures), which the browser keeps. Drawn into the page, the pictures were
// most of its bytes, and were sent twice: as HTML and as the data that React starts from.
export default function Picture({ picture, tint, name }) {
  return (
    <img
      className="picture"
      src={`/pictures/${picture}-${tint}.svg`}
      width="400"
      height="400"
      alt={name}
    />
  );
}
