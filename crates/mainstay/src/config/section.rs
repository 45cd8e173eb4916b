//! How a section of the configuration file is written down once: its struct, its defaults and its
//! page in the reference all come from the same lines.

/// One key, as the reference shows it and `--set` reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Its name within the section.
    pub(crate) name: &'static str,
    /// Lines of its description.
    pub(crate) about: &'static [&'static str],
    /// What its value looks like.
    pub(crate) shape: Shape,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A string.
    Text,
    /// A file or directory.
    Path,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// A length of time with its unit.
    Span,
    /// Several strings.
    List,
    /// Names and values of somebody else.
    Table,
}

impl Shape {
    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Path => "path",
            Self::Number => "number",
            Self::Switch => "true or false",
            Self::Span => "time, as in `10s`",
            Self::List => "list of texts",
            Self::Table => "table",
        }
    }
}

/// A section of the file, for the reference and for `--set`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// Lines of its description.
    pub(crate) about: &'static [&'static str],
    /// Its keys, in order.
    pub(crate) keys: &'static [Key],
}

macro_rules! section {
    ($(#[doc = $about:literal])* $type:ident $name:literal {
        $( $(#[doc = $doc:literal])* $field:ident: $kind:ty = $default:expr, $shape:ident; )*
    }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct $type {
            $( $(#[doc = $doc])* pub(crate) $field: $kind, )*
        }

        impl Default for $type {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $type {
            const SECTION: Section = Section {
                name: $name,
                about: &[$($about),*],
                keys: &[ $( Key {
                    name: stringify!($field),
                    about: &[$($doc),*],
                    shape: Shape::$shape,
                } ),* ],
            };
        }
    };
}
pub(crate) use section;
