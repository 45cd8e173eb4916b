//! Plain tables for a terminal: columns as wide as their widest cell, numbers to the right.

use std::fmt::Write;

/// Lays rows out under their heads; the first column is left-aligned, the others right-aligned.
pub(crate) fn lay_out(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .chain([heads[column].len()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (column, (cell, width)) in cells.zip(&widths).enumerate() {
            if column == 0 {
                let _ = write!(line, "{cell:<width$}");
            } else {
                let _ = write!(line, "  {cell:>width$}");
            }
        }
        line.trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut heads.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_when_laid_out_then_columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["a long name".to_owned(), "1".to_owned()],
            vec!["b".to_owned(), "1000".to_owned()],
        ];
        let text = lay_out(&["NAME", "N"], &rows);
        assert_eq!(
            text,
            "NAME            N\na long name     1\nb            1000\n"
        );
    }
}
