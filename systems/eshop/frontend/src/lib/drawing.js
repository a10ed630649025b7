// Every product is drawn from a shape and a tint; nobody has to keep image files.

const TINTS = {
  sage: { ground: '#dfe5d6', light: '#a9bb97', main: '#7c946a', dark: '#566b49' },
  slate: { ground: '#dadfe0', light: '#8b979b', main: '#5a676c', dark: '#394448' },
  sand: { ground: '#f0e6d2', light: '#f8f1e1', main: '#d8bf8e', dark: '#a98c57' },
  clay: { ground: '#f0dccd', light: '#dca883', main: '#bd7a50', dark: '#8a5233' },
  indigo: { ground: '#d9dfea', light: '#7f95bd', main: '#3f5788', dark: '#28395f' },
  plum: { ground: '#ecdbe0', light: '#bf8b9c', main: '#8f5367', dark: '#643546' },
};

const PAPER = '#fbf8f2';
const METAL = '#b9bdbc';

function line(color, width) {
  const ends = 'stroke-linecap="round" stroke-linejoin="round"';
  return `fill="none" stroke="${color}" stroke-width="${width}" ${ends}`;
}

// A leaf of steam, a reflection: drawn over the shape, faintly.
function shine(d) {
  return `<path d="${d}" ${line('#ffffff', 7)} opacity="0.35" />`;
}

function each(list, draw) {
  return list.map(draw).join('');
}

// Of the lantern, from the top.
const RIBS = [
  'M141 124q59 16 118 0',
  'M133 150q67 16 134 0',
  'M128 176q72 16 144 0',
  'M127 202q73 16 146 0',
  'M130 228q70 16 140 0',
  'M138 254q62 16 124 0',
  'M146 274q54 16 108 0',
];

const SHAPES = {
  cup: (t) => `
      <path d="M118 158h164l-14 112q-5 36-40 36h-56q-35 0-40-36z" fill="${t.main}" />
      <path d="M118 158h164l-4 30q-38 22-72 4t-84 8z" fill="${t.light}" />
      <ellipse cx="200" cy="158" rx="82" ry="17" fill="${t.dark}" />
      <ellipse cx="200" cy="161" rx="70" ry="11" fill="#c9b26b" />
      ${shine('M142 215l6 46')}
      <path
        d="M182 126q-12-16 0-30t0-30M218 126q-12-16 0-30t0-30"
        ${line('#ffffff', 6)}
        opacity="0.7"
      />
  `,
  kettle: (t) => `
      <path d="M128 168q2-92 72-92t72 92" ${line(t.dark, 13)} />
      <path d="M282 196q44-2 52-44l16 4q-2 64-66 82z" fill="${t.main}" />
      <path d="M104 240q0-78 96-78t96 78q0 66-50 66h-92q-50 0-50-66z" fill="${t.main}" />
      <ellipse cx="200" cy="170" rx="54" ry="13" fill="${t.dark}" />
      <circle cx="200" cy="151" r="12" fill="${t.dark}" />
      ${each(
        [138, 169, 200, 231, 262],
        (x) => `
        <g fill="${t.light}">
          <circle cx="${x}" cy="214" r="5" />
          <circle cx="${x}" cy="238" r="5" opacity="0.7" />
        </g>
      `,
      )}
      ${shine('M122 236q2 34 22 50')}
  `,
  cloth: (t) => `
      <path d="M200 92v24" ${line(t.dark, 8)} />
      <path d="M120 118q80-18 160 0l16 190q-48-14-96 0t-96 0z" fill="${t.light}" />
      <path d="M200 110l0 198q-48 14-96 0l16-190q40-9 80-8z" fill="${PAPER}" opacity="0.6" />
      <path d="M111 226q44 14 88 0t90 0l2 22q-46-14-92 0t-90 0z" fill="${t.main}" />
      <path d="M108 264q46 14 92 0t92 0" ${line(t.main, 5)} />
      <circle cx="200" cy="86" r="9" ${line(t.dark, 6)} />
  `,
  box: (t) => `
      <rect x="84" y="196" width="232" height="110" rx="52" fill="${t.main}" />
      <rect x="76" y="150" width="248" height="84" rx="42" fill="${t.light}" />
      <ellipse cx="200" cy="176" rx="104" ry="22" fill="${t.ground}" opacity="0.5" />
      <path d="M186 212l28 14m0-14l-28 14" ${line(t.dark, 6)} />
      <path d="M104 262q96 26 192 0" ${line(t.dark, 4)} opacity="0.5" />
      ${shine('M112 186q40-18 96-18')}
  `,
  notebook: (t) => `
    <g transform="rotate(-7 200 200)">
      <rect x="134" y="96" width="150" height="212" rx="6" fill="${t.dark}" />
      <rect x="128" y="92" width="150" height="208" rx="4" fill="${PAPER}" />
      <rect x="120" y="88" width="150" height="212" rx="6" fill="${t.main}" />
      <rect x="120" y="88" width="30" height="212" rx="6" fill="${t.dark}" />
      <rect x="174" y="124" width="72" height="48" rx="3" fill="${PAPER}" />
      <path d="M186 142h48M186 156h30" ${line(t.light, 4)} />
      <path d="M240 88v212" ${line('#d9b25f', 5)} />
    </g>
  `,
  scoop: (t) => `
    <g transform="rotate(-28 200 210)">
      <rect x="204" y="196" width="150" height="26" rx="13" fill="${t.main}" />
      <path d="M70 190q70-34 146 0v38q-76 34-146 0z" fill="${t.dark}" />
      <path d="M84 196q60-24 120 0v26q-60 24-120 0z" fill="${t.light}" />
      ${each(
        [104, 124, 144, 164, 184, 114, 134, 154, 174],
        (x, i) => `
        <ellipse
          cx="${x}"
          cy="${i < 5 ? 204 : 216}"
          rx="9"
          ry="4"
          fill="#5c7148"
          transform="rotate(${i * 37} ${x} ${i < 5 ? 204 : 216})"
        />
      `,
      )}
      ${shine('M228 204h104')}
    </g>
  `,
  vase: (t) => `
      <path
        d="M204 150Q196 100 236 46M214 104q30-4 42-28M205 120q-22-10-28-36"
        ${line('#6b4b3a', 6)}
      />
      ${each(
        [
          [236, 46],
          [256, 76],
          [177, 84],
          [222, 74],
          [238, 92],
          [192, 104],
        ],
        ([x, y]) => `
        <circle cx="${x}" cy="${y}" r="9" fill="#e7a3ae" />
      `,
      )}
      <path d="M176 146h48l6 30q50 26 50 74 0 56-44 56h-72q-44 0-44-56 0-48 50-74z" fill="${t.main}" />
      <path d="M230 176q50 26 50 74 0 56-44 56h-30q52-40 24-130z" fill="${t.dark}" opacity="0.55" />
      <ellipse cx="200" cy="147" rx="25" ry="7" fill="${t.dark}" />
      ${shine('M148 216q-14 22-6 48')}
  `,
  lantern: (t) => `
      <ellipse cx="200" cy="200" rx="130" ry="120" fill="#fff6d8" opacity="0.55" />
      <path d="M164 94h72l22 26q26 74 0 150l-22 24h-72l-22-24q-26-76 0-150z" fill="#fdf0c4" />
      <path d="M186 94q-28 100 0 200h28q28-100 0-200z" fill="#fffbe9" />
      ${each(RIBS, (d) => `<path d="${d}" ${line(t.main, 3)} />`)}
      <rect x="158" y="84" width="84" height="16" rx="5" fill="${t.dark}" />
      <rect x="152" y="290" width="96" height="18" rx="5" fill="${t.dark}" />
  `,
  shears: (t) => `
    <g transform="rotate(18 200 200)">
      <path d="M186 190L176 66q18 30 34 118z" fill="${METAL}" />
      <path d="M214 190L224 66q-18 30-34 118z" fill="#d5d8d6" />
      <path d="M194 198q-14 14-22 30M206 198q14 14 22 30" ${line(t.dark, 13)} />
      <ellipse
        cx="160"
        cy="264"
        rx="27"
        ry="44"
        transform="rotate(14 160 264)"
        ${line(t.main, 14)}
      />
      <ellipse
        cx="240"
        cy="264"
        rx="27"
        ry="44"
        transform="rotate(-14 240 264)"
        ${line(t.main, 14)}
      />
      <circle cx="200" cy="188" r="11" fill="${t.dark}" />
    </g>
  `,
  basket: (t) => `
      <path d="M118 196q4-118 82-118t82 118" ${line(t.dark, 11)} />
      <path d="M92 196h216l-24 96q-4 16-24 16H140q-20 0-24-16z" fill="${t.light}" />
      <path
        d="M104 216l92 92M134 200l104 104M178 200l96 96M222 200l68 68M296 216l-92 92M266 200l-104 104M222 200l-96 96M178 200l-68 68"
        ${line(t.main, 6)}
      />
      <rect x="84" y="184" width="232" height="24" rx="12" fill="${t.main}" />
      <path d="M124 292h152" ${line(t.dark, 8)} />
  `,
  candle: (t) => `
      ${each(
        [
          [150, 130],
          [218, 164],
        ],
        ([x, top]) => `
        <g>
          <circle cx="${x + 17}" cy="${top - 34}" r="40" fill="#fff1c9" opacity="0.6" />
          <rect x="${x}" y="${top}" width="34" height="${306 - top}" rx="6" fill="#e3b55b" />
          <rect x="${x + 20}" y="${top}" width="14" height="${306 - top}" rx="6" fill="#c99842" />
          <path d="M${x + 17} ${top}v-14" ${line('#4b3a2a', 4)} />
          <path d="M${x + 17} ${top - 58}q18 26 8 40t-16 0q-10-14 8-40z" fill="#f4a63a" />
          <path d="M${x + 17} ${top - 36}q8 12 3 20t-7 0q-4-8 4-20z" fill="#fff3cf" />
        </g>
      `,
      )}
      <path d="M116 298h168q-6 16-28 16H144q-22 0-28-16z" fill="${t.main}" />
  `,
  bell: (t) => `
      <path d="M200 50v46" ${line(t.dark, 5)} />
      <path d="M132 214q-2-120 68-120t68 120q8 8 12 18H120q4-10 12-18z" fill="#c9a55a" />
      <path d="M214 96q54 12 54 118 8 8 12 18h-44q4-90-22-136z" fill="#a5833d" />
      ${shine('M158 196q2-50 24-72')}
      <path d="M200 232v24" ${line(t.dark, 5)} />
      <path d="M180 254h40v66q-20-10-40 0z" fill="${t.light}" />
      <path d="M190 272h20M190 286h20" ${line(t.dark, 4)} />
  `,
};

const HANGING = new Set(['bell', 'cloth', 'shears', 'scoop', 'notebook']);

function find(table, name, other) {
  return Object.hasOwn(table, name) ? table[name] : table[other];
}

// The text of an SVG file. What is not known is drawn as a box, or in the colour of sand.
export function drawPicture(shape, tint) {
  const colors = find(TINTS, tint, 'sand');
  const shadow = `<ellipse cx="200" cy="312" rx="124" ry="13" fill="${colors.dark}" opacity="0.22" />`;
  const text = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" width="400" height="400">
    <rect width="400" height="400" fill="${colors.ground}" />
    <circle cx="200" cy="186" r="148" fill="#ffffff" opacity="0.28" />
    ${HANGING.has(shape) ? '' : shadow}
    ${find(SHAPES, shape, 'box')(colors)}
    </svg>`;
  return text.replace(/\s+/g, ' ');
}
