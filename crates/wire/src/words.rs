//! Words of SQL that mean something to the scanner, in a table built when this is compiled. A word is packed into
//! three numbers without regard to case; one multiplication finds its place.
//!
//! Deliberately not known as pure: stored functions (any unknown name), GET_LOCK and its kin, NEXTVAL, SLEEP,
//! BENCHMARK, LAST_INSERT_ID, UUID_SHORT, LOAD_FILE, and DEFAULT (a default may be NEXTVAL).

use crate::statement::Reason;

/// A word up to 24 bytes, packed: each byte with the bit that tells capitals from small letters set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packed(pub(crate) [u64; 3]);

/// What most statements begin with.
pub(crate) const SELECT: Packed = Packed::of_ascii(b"select");

const SMALL: u64 = 0x2020_2020_2020_2020;
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
/// Places in the table, a power of two.
const PLACES: usize = 2048;

impl Packed {
    /// The word in `text[start..end]`; `None` when it is longer than 24 bytes.
    #[inline]
    pub(crate) fn of(text: &[u8], start: usize, end: usize) -> Option<Self> {
        let length = end - start;
        let at = |from: usize| {
            let bytes = text.get(from..from + 8)?.first_chunk()?;
            Some(u64::from_le_bytes(*bytes))
        };
        // The last one to eight bytes, from whichever side of the text there are eight.
        let tail = |from: usize| {
            let bits = 8 * (end - from) as u32;
            let whole = match end.checked_sub(8) {
                Some(before) => at(before)? >> (64 - bits),
                None => match at(from) {
                    Some(whole) => whole & (u64::MAX >> (64 - bits)),
                    None => slow(&text[from..end]),
                },
            };
            Some(whole | (SMALL >> (64 - bits)))
        };
        Some(Self(match length {
            0 => [0; 3],
            1..=8 => [tail(start)?, 0, 0],
            9..=16 => [at(start)? | SMALL, tail(start + 8)?, 0],
            17..=24 => [
                at(start)? | SMALL,
                at(start + 8)? | SMALL,
                tail(start + 16)?,
            ],
            _ => return None,
        }))
    }

    /// Spread over all bits.
    #[inline]
    pub(crate) const fn hash(self) -> u64 {
        let [a, b, c] = self.0;
        let mixed = a ^ b.rotate_left(29) ^ c.rotate_left(47);
        let mixed = mixed.wrapping_mul(MIX);
        mixed ^ (mixed >> 29)
    }

    const fn same(self, other: Self) -> bool {
        self.0[0] == other.0[0] && self.0[1] == other.0[1] && self.0[2] == other.0[2]
    }

    const fn of_ascii(word: &[u8]) -> Self {
        assert!(word.len() <= 24);
        let mut packed = [0_u64; 3];
        let mut at = 0;
        while at < word.len() {
            packed[at / 8] |= ((word[at] | 0x20) as u64) << (8 * (at % 8));
            at += 1;
        }
        Self(packed)
    }
}

fn slow(bytes: &[u8]) -> u64 {
    let mut all = [0; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(all)
}

/// A name's hash, whatever its length: equal names, also in other letters' case, have equal hashes.
pub(crate) fn hash(name: &[u8]) -> u64 {
    match Packed::of(name, 0, name.len()) {
        Some(packed) => packed.hash(),
        None => name.iter().fold(MIX, |hash, byte| {
            (hash.rotate_left(9) ^ u64::from(byte | 0x20)).wrapping_mul(MIX)
        }),
    }
}

/// What a word means when a parenthesis follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Nobody knows: perhaps a stored function.
    Unknown,
    /// A function that any copy of the data answers alike, or no function.
    Pure,
    /// As [`Call::Pure`], but for the reason it needs the connection to the primary. Running it twice does no harm.
    Here(Reason),
    /// A function with an effect, or with a result of its server's own.
    Special(Reason),
    /// FOUND_ROWS, ROW_COUNT: about the statement before.
    LooksBack,
}

/// What a word means wherever it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bare {
    /// Nothing.
    Nothing,
    /// INTO and the like: not a plain read, for this reason.
    NotPlain(Reason),
    /// The same, unless a parenthesis follows (INSERT, REPLACE are functions too).
    NotPlainUnlessCalled(Reason),
    /// A database whose tables are each server's own.
    OwnSchema,
    /// The same when a dot follows.
    OwnSchemaBeforeDot,
    /// NEXTVAL and the like, also as `sequence.nextval`.
    Sequence,
    /// GET_LOCK.
    GetLock,
    /// FOUND_ROWS.
    FoundRows,
    /// ROW_COUNT.
    RowCount,
    /// WARNINGS, ERRORS, DIAGNOSTICS.
    Diagnostics,
    /// TEMPORARY.
    Temporary,
    /// LOCK, EXPORT: locks tables in a FLUSH.
    Lock,
    /// COLLATE.
    Collate,
    /// FROM.
    From,
    /// DUAL: behind FROM it is no table.
    Dual,
}

/// A known word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    packed: Packed,
    pub(crate) call: Call,
    pub(crate) bare: Bare,
}

const PURE: &str = "abs acos adddate addtime aes_decrypt aes_encrypt against all and any as ascii asin atan atan2 \
    avg between bigint bin binary bit_and bit_count bit_length bit_or bit_xor by case cast ceil ceiling char \
    char_length character_length charset chr coalesce coercibility collation column_check column_exists \
    column_get column_json column_list compress concat concat_ws conv convert convert_tz cos cot count crc32 \
    crc32c cross cume_dist curdate current_date current_time current_timestamp current_user curtime database \
    date date_add date_format date_sub datediff datetime day dayname dayofmonth dayofweek dayofyear decimal \
    degrees dense_rank desc distinct distinctrow div double else elt escape except exists exp export_set extract \
    extractvalue field find_in_set first_value float floor force format from from_base64 from_days from_unixtime \
    get_format greatest group group_concat having hex hour if ifnull ignore in index inet6_aton inet6_ntoa \
    inet_aton inet_ntoa inner insert instr int integer intersect interval is is_ipv4 is_ipv6 isnull join \
    json_array json_array_append json_array_insert json_arrayagg json_compact json_contains json_contains_path \
    json_depth json_detailed json_equals json_exists json_extract json_insert json_keys json_length json_loose \
    json_merge json_merge_patch json_merge_preserve json_normalize json_object json_objectagg json_overlaps \
    json_pretty json_query json_quote json_remove json_replace json_search json_set json_table json_type \
    json_unquote json_valid json_value key lag last_day last_value lcase lead least left length like limit ln \
    localtime localtimestamp locate log log10 log2 lower lpad ltrim make_set makedate maketime match max md5 \
    median microsecond mid min minute mod month monthname natural_sort_key not now nth_value ntile nullif \
    nvarchar nvl nvl2 oct octet_length on or ord order outer over partition percent_rank percentile_cont \
    percentile_disc period_add period_diff pi point position pow power quarter quote radians rand random_bytes \
    range rank regexp regexp_instr regexp_replace regexp_substr repeat replace reverse right rlike round row \
    row_number rpad rtrim schema sec_to_time second select session_user sformat sha sha1 sha2 sign signed sin \
    some soundex space sqrt st_area st_asgeojson st_astext st_contains st_distance st_distance_sphere \
    st_dwithin st_geomfromtext st_intersects st_srid st_within st_x st_y std stddev stddev_pop stddev_samp \
    str_to_date straight_join strcmp subdate substr substring substring_index subtime sum sysdate system_user \
    table tan then time time_format time_to_sec timediff timestamp timestampadd timestampdiff to_base64 to_char \
    to_days to_seconds trim truncate ucase uncompress uncompressed_length unhex union unix_timestamp unsigned \
    upper use user using utc_date utc_time utc_timestamp uuid values var_pop var_samp varbinary varchar variance \
    version week weekday weekofyear weight_string when where window with within xor year yearweek";

const CALLS: &[(Call, &str)] = &[
    (Call::Pure, PURE),
    (Call::Here(Reason::Connection), "connection_id"),
    (
        Call::Special(Reason::NamedLock),
        "get_lock release_lock release_all_locks is_free_lock is_used_lock",
    ),
    (
        Call::Special(Reason::Sequence),
        "nextval lastval setval currval",
    ),
    (Call::Special(Reason::LastInsertId), "last_insert_id"),
    (Call::LooksBack, "found_rows row_count"),
    (
        Call::Special(Reason::OfServer),
        "uuid_short load_file master_gtid_wait binlog_gtid_pos",
    ),
    (Call::Special(Reason::Waits), "sleep benchmark"),
];

const BARE: &[(Bare, &str)] = &[
    (
        Bare::NotPlain(Reason::StoresResult),
        "into outfile dumpfile",
    ),
    (Bare::NotPlain(Reason::LocksRows), "share"),
    (Bare::NotPlain(Reason::Sequence), "next previous"),
    (Bare::NotPlain(Reason::Unknown), "procedure analyze"),
    (Bare::NotPlainUnlessCalled(Reason::LocksRows), "update"),
    (
        Bare::NotPlainUnlessCalled(Reason::Writes),
        "insert delete replace returning",
    ),
    (Bare::OwnSchema, "information_schema performance_schema"),
    (Bare::OwnSchemaBeforeDot, "mysql sys"),
    (Bare::Sequence, "nextval lastval setval currval"),
    (Bare::GetLock, "get_lock"),
    (Bare::FoundRows, "found_rows"),
    (Bare::RowCount, "row_count"),
    (Bare::Diagnostics, "warnings errors diagnostics"),
    (Bare::Temporary, "temporary"),
    (Bare::Lock, "lock export"),
    (Bare::Collate, "collate"),
    (Bare::From, "from"),
    (Bare::Dual, "dual"),
];

/// The words, and for each place of the table the word there (plus one).
struct Table {
    words: [Word; MAX_WORDS],
    places: [u16; PLACES],
}

const MAX_WORDS: usize = 448;
const NOBODY: Word = Word {
    packed: Packed([0; 3]),
    call: Call::Unknown,
    bare: Bare::Nothing,
};
static TABLE: Table = Table::build();

impl Table {
    const fn build() -> Self {
        let mut table = Self {
            words: [NOBODY; MAX_WORDS],
            places: [0; PLACES],
        };
        let mut list = 0;
        while list < CALLS.len() {
            table.add(CALLS[list].1.as_bytes(), Some(CALLS[list].0), None);
            list += 1;
        }
        list = 0;
        while list < BARE.len() {
            table.add(BARE[list].1.as_bytes(), None, Some(BARE[list].0));
            list += 1;
        }
        table
    }

    /// Adds each word of a list separated by spaces.
    const fn add(&mut self, list: &[u8], call: Option<Call>, bare: Option<Bare>) {
        let mut rest = list;
        while !rest.is_empty() {
            let mut length = 0;
            while length < rest.len() && rest[length] != b' ' {
                length += 1;
            }
            let (word, more) = rest.split_at(length);
            if !word.is_empty() {
                let at = self.place(Packed::of_ascii(word));
                if let Some(call) = call {
                    self.words[at].call = call;
                }
                if let Some(bare) = bare {
                    self.words[at].bare = bare;
                }
            }
            rest = match more.split_first() {
                Some((_, more)) => more,
                None => more,
            };
        }
    }

    /// Where the word stands; a new one is put behind the others.
    const fn place(&mut self, packed: Packed) -> usize {
        let mut place = first_place(packed);
        let mut count = 0;
        while self.places[place] != 0 {
            let at = self.places[place] as usize - 1;
            if self.words[at].packed.same(packed) {
                return at;
            }
            place = (place + 1) % PLACES;
        }
        while count < MAX_WORDS && self.words[count].packed.0[0] != 0 {
            count += 1;
        }
        self.words[count].packed = packed;
        self.places[place] = count as u16 + 1;
        count
    }
}

const fn first_place(packed: Packed) -> usize {
    (packed.hash() >> 53) as usize % PLACES
}

/// The word, if it is known.
#[inline]
pub(crate) fn find(packed: Packed) -> Option<&'static Word> {
    let mut place = first_place(packed);
    loop {
        let at = usize::from(TABLE.places[place]).checked_sub(1)?;
        let word = &TABLE.words[at];
        if word.packed == packed {
            return Some(word);
        }
        place = (place + 1) % PLACES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(word: &str) -> Option<&'static Word> {
        find(Packed::of(word.as_bytes(), 0, word.len())?)
    }

    #[test]
    fn every_word_when_looked_up_in_any_place_of_a_text_is_found() {
        for (_, list) in CALLS {
            for word in list.split_ascii_whitespace() {
                assert!(known(&word.to_uppercase()).is_some(), "{word}");
                for text in [
                    format!("a {word}"),
                    format!("{word} b"),
                    format!("some longer text {word} and more of it to come"),
                ] {
                    let start = text.find(word).unwrap();
                    let packed = Packed::of(text.as_bytes(), start, start + word.len()).unwrap();
                    let found = find(packed).unwrap();
                    assert_eq!(found.packed, Packed::of_ascii(word.as_bytes()), "{text}");
                }
            }
        }
    }

    #[test]
    fn words_when_they_are_no_pure_functions_are_not_taken_for_such() {
        assert_eq!(known("count").unwrap().call, Call::Pure);
        for word in [
            "sleep",
            "get_lock",
            "last_insert_id",
            "nextval",
            "uuid_short",
        ] {
            assert!(
                matches!(known(word).unwrap().call, Call::Special(_)),
                "{word}"
            );
        }
        for word in ["my_function", "default", "a", "", "count1", "coun"] {
            assert!(
                known(word).is_none_or(|word| word.call == Call::Unknown),
                "{word}"
            );
        }
    }

    #[test]
    fn names_when_they_differ_in_case_only_have_one_hash() {
        for name in ["t", "wp_options", "a_rather_long_name_of_some_view", ""] {
            assert_eq!(
                hash(name.as_bytes()),
                hash(name.to_uppercase().as_bytes()),
                "{name}"
            );
        }
        assert_ne!(hash(b"wp_option"), hash(b"wp_options"));
    }
}
