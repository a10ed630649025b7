"""the first twelve products"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = (
    "slug", "name", "maker", "price_yen", "stock", "picture", "tint", "summary", "description",
)  # fmt: skip

PRODUCTS = (
    ("ash-glaze-tea-cup", "Ash glaze tea cup", "Mashiko kiln", 2400, 40, "cup", "sage",
     "A handleless cup that sits well in two hands.",
     "Thrown on a kick wheel and dipped once in wood-ash glaze, so the green runs a little thinner "
     "at the rim. Holds 180 ml. The foot is left bare: it warms slowly and stays warm."),
    ("iron-kettle", "Cast iron kettle", "Morioka foundry", 16800, 12, "kettle", "slate",
     "Softens water, keeps its heat, outlives its owner.",
     "Sand cast in two pieces, with the old hailstone pattern on the shoulder. Holds 1.2 litres. "
     "Dry it with the lid off and it will not rust; a little brown inside is normal and harmless."),
    ("linen-kitchen-cloth", "Linen kitchen cloth", "Omi weavers", 1320, 120, "cloth", "sand",
     "Thirsty after the third wash, better after the thirtieth.",
     "Undyed long-fibre linen with a single woven stripe and a loop to hang it by. 45 by 65 cm. "
     "Wash it hot, hang it up and forget about fabric softener."),
    ("cedar-bento-box", "Cedar lunch box", "Odate cooper", 7900, 18, "box", "clay",
     "Bent cedar that keeps rice from going damp.",
     "Straight-grained cedar, steamed, bent and sewn with cherry bark. No lacquer inside, so "
     "the wood drinks the steam of hot rice. Holds 600 ml. Wash by hand and dry in the shade."),
    ("ruled-notebook", "Ruled notebook", "Suzume bindery", 980, 5000, "notebook", "indigo",
     "Lies flat, takes ink, fits a coat pocket.",
     "96 pages of 80 g paper sewn in sections, so that it opens flat from the first page. Ruled "
     "at 7 mm in a grey that steps back behind what you write. Cloth spine, card cover."),
    ("cherry-bark-scoop", "Cherry bark tea scoop", "Kakunodate workshop", 3200, 26, "scoop", "plum",
     "One level scoop is one pot.",
     "A single strip of cherry bark, polished and folded over a wooden core. Measures 6 grams of "
     "leaf tea. The colour deepens with every year of handling."),
    ("river-stone-vase", "River stone vase", "Shigaraki kiln", 5400, 15, "vase", "slate",
     "For one branch, or for nothing at all.",
     "Coarse Shigaraki clay fired for three days without glaze; the flame leaves its own marks and "
     "no two are the same. 19 cm tall and heavy enough for a long branch of plum."),
    ("paper-lantern", "Paper table lantern", "Gifu lantern makers", 8600, 20, "lantern", "sand",
     "The light of late afternoon, at any hour.",
     "Mulberry paper over a bamboo spiral, with a small warm lamp inside. Folds flat to the height "
     "of a book. 28 cm when it stands."),
    ("garden-shears", "Garden shears", "Sanjo smiths", 6200, 22, "shears", "sage",
     "Hand forged, and it can be taken apart to sharpen.",
     "White steel laid over soft iron, so the edge is hard and the handle forgives. 18 cm. Comes "
     "with a small whetstone and a drawing that shows how to use it."),
    ("bamboo-basket", "Bamboo basket", "Beppu weavers", 9800, 9, "basket", "clay",
     "Four hundred strips, no nail and no glue.",
     "Smoked bamboo split by hand and woven in the hexagon pattern. Carries five kilograms of "
     "shopping, and weighs 300 grams itself. 30 cm across."),
    ("beeswax-candles", "Beeswax candles, pair", "Hida apiary", 1800, 80, "candle", "plum",
     "Eight quiet hours each.",
     "Pure beeswax drawn on a cotton wick, one thin layer at a time. They smell of the hive when "
     "you open the box, and of very little when they burn. 20 cm tall, sold as a pair."),
    ("hanging-bell", "Wind bell", "Takaoka foundry", 4500, 3, "bell", "indigo",
     "One clear note, and a paper tail to catch the wind.",
     "Cast brass, turned thin at the lip and tuned by ear. Hang it where the evening air passes. "
     "The paper strip is meant to be replaced: two spare ones are in the box."),
)  # fmt: skip


def _table() -> sa.TableClause:
    return sa.table("products", *(sa.column(name) for name in COLUMNS))


def upgrade() -> None:
    op.bulk_insert(_table(), [dict(zip(COLUMNS, row, strict=True)) for row in PRODUCTS])


def downgrade() -> None:
    table = _table()
    op.execute(table.delete().where(table.c.slug.in_([row[0] for row in PRODUCTS])))
