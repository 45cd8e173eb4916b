//! How long one look at a statement takes: `cargo run --release -p sql-gateway --example scan`.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use wire::catalog::{Catalog, Object};
use wire::statement::{scan, scan_with};

const TEXTS: &[&str] = &[
    "SELECT c FROM sbtest1 WHERE id=50012",
    "SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 50012 AND 50111 AND k IN (1, 2, 3) ORDER BY c LIMIT 5",
    "SELECT SQL_CALC_FOUND_ROWS wp_posts.ID FROM wp_posts LEFT JOIN wp_term_relationships ON (wp_posts.ID = \
     wp_term_relationships.object_id) WHERE 1=1 AND ( wp_term_relationships.term_taxonomy_id IN (2,5,7) ) AND \
     wp_posts.post_type = 'post' AND (wp_posts.post_status = 'publish' OR wp_posts.post_status = 'acf-disabled' \
     OR wp_posts.post_status = 'private') AND wp_posts.post_date <= '2026-11-21 05:00:00' GROUP BY wp_posts.ID \
     ORDER BY wp_posts.menu_order, wp_posts.post_date DESC LIMIT 0, 10",
];

fn nanoseconds(runs: u32, mut look: impl FnMut()) -> u128 {
    (0..9)
        .map(|_| {
            let start = Instant::now();
            (0..runs).for_each(|_| look());
            start.elapsed().as_nanos() / u128::from(runs)
        })
        .min()
        .unwrap_or_default()
}

fn main() -> std::io::Result<()> {
    let object = ("shop".to_owned(), "numbers".to_owned(), Object::Sequence);
    let catalog = Catalog::new(&[object], &[]);
    let insert = format!("INSERT INTO t VALUES ('{}')", "x".repeat(4000));
    let mut out = std::io::stdout();
    // For counting instructions: `scan TEXT RUNS`.
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, text, runs] = arguments.as_slice() {
        let text = text.parse().ok().and_then(|at: usize| TEXTS.get(at));
        let (text, runs) = (text.copied().unwrap_or_default(), runs.parse().unwrap_or(0));
        (0..runs).for_each(|_| {
            black_box(scan(black_box(text.as_bytes()), true));
        });
        return Ok(());
    }
    for text in TEXTS.iter().copied().chain([insert.as_str()]) {
        let bytes = text.as_bytes();
        let alone = nanoseconds(200_000, || {
            black_box(scan(black_box(bytes), true));
        });
        let names = catalog.of_database(b"shop");
        let with = nanoseconds(200_000, || {
            black_box(scan_with(black_box(bytes), true, names));
        });
        let verdict = scan(bytes, true).verdict();
        let length = bytes.len();
        writeln!(
            out,
            "{length:5} B  {alone:5} ns  with a catalog {with:5} ns  {verdict:?}"
        )?;
    }
    Ok(())
}
