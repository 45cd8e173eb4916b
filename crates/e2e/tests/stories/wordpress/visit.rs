//! What people do with a blog: its author installs it, logs in, writes, uploads and looks for things;
//! visitors comment on one server and read what they wrote on the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{
    browser::{Browser, Page, Sent},
    site::Site,
};

const LIMIT: Duration = Duration::from_mins(1);
const USER: &str = "author";
const PASSWORD: &str = "a long, good password";
const IMAGE: &str = "anchor.png";
/// One pixel.
const PNG: [u8; 67] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4,
    0x89, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x00, 0x01, 0x00, 0x00,
    0x05, 0x00, 0x01, 0x0d, 0x0a, 0x2d, 0xb4, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae,
    0x42, 0x60, 0x82,
];

/// How many comments a visitor has made, and whether he shall make no more.
#[derive(Debug)]
pub(crate) struct Count {
    number: u32,
    rest: Duration,
    made: AtomicUsize,
    is_over: AtomicBool,
}

impl Count {
    /// Of the visitor with this number, who rests so long between his visits.
    pub(crate) fn new(number: u32, rest: Duration) -> Self {
        Self {
            number,
            rest,
            made: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// The blog's author, logged in.
#[derive(Debug)]
pub(crate) struct Author {
    browser: Browser,
    /// What the script interface asks for.
    nonce: String,
}

impl Author {
    /// Runs WordPress's installer in this site, as soon as its web server answers, and logs in.
    pub(crate) async fn install(site: &Site) -> Result<Self> {
        let browser = Browser::default();
        let begun = Instant::now();
        while let Err(error) = site.ask(&browser, "/wp-admin/install.php", &Sent::Nothing) {
            ensure!(begun.elapsed() < LIMIT, "{error:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let fields = [
            ("weblog_title", "A blog"),
            ("user_name", USER),
            ("admin_password", PASSWORD),
            ("admin_password2", PASSWORD),
            ("admin_email", "author@blog.example"),
            ("blog_public", "1"),
            ("language", ""),
        ];
        let path = "/wp-admin/install.php?step=2";
        let page = site.ask(&browser, path, &Sent::Form(&fields))?;
        let is_done = page.status == 200 && page.body.contains("WordPress has been installed");
        ensure!(is_done, "the installer says {}", page.body);
        let fields = [("log", USER), ("pwd", PASSWORD), ("testcookie", "1")];
        site.ask(&browser, "/wp-login.php", &Sent::Nothing)?;
        let page = site.ask(&browser, "/wp-login.php", &Sent::Form(&fields))?;
        ensure!(page.location.contains("wp-admin"), "no login: {page:?}");
        let path = "/wp-admin/admin-ajax.php?action=rest-nonce";
        let nonce = site.ask(&browser, path, &Sent::Nothing)?.body;
        ensure!(nonce.len() == 10, "no nonce but {nonce}");
        Ok(Self { browser, nonce })
    }

    /// Is logged in there, too: the session is in the database.
    pub(crate) fn logs_in(&self, there: &Site) -> Result<()> {
        let page = there.ask(&self.browser, "/wp-admin/", &Sent::Nothing)?;
        let is_in = page.status == 200 && page.body.contains("Dashboard");
        ensure!(is_in, "not logged in on {}: {page:?}", there.node);
        Ok(())
    }

    /// Publishes a post here and reads it there; its path.
    pub(crate) fn writes(
        &self,
        here: &Site,
        there: &Site,
        title: &str,
        text: &str,
    ) -> Result<String> {
        let post = format!(r#"{{"title":"{title}","content":"{text}","status":"publish"}}"#);
        let sent = Sent::Json(&post, &self.nonce);
        let page = here.ask(&self.browser, "/?rest_route=/wp/v2/posts", &sent)?;
        ensure!(page.status == 201, "no post: {page:?}");
        let path = format!("/?p={}", id(&page)?);
        let page = self.reads(there, &path)?;
        ensure!(page.contains(title) && page.contains("é😀"), "{page}");
        Ok(path)
    }

    /// Uploads an image here, finds it in the library there.
    pub(crate) fn uploads(&self, here: &Site, there: &Site) -> Result<()> {
        let sent = Sent::Image(IMAGE, &PNG, &self.nonce);
        let page = here.ask(&self.browser, "/?rest_route=/wp/v2/media", &sent)?;
        ensure!(page.status == 201, "no image: {page:?}");
        let path = format!("/?rest_route=/wp/v2/media/{}", id(&page)?);
        let page = there.ask(&self.browser, &path, &Sent::Nothing)?;
        ensure!(page.body.contains(IMAGE), "no image there: {page:?}");
        let list = there.ask(
            &self.browser,
            "/wp-admin/upload.php?mode=list",
            &Sent::Nothing,
        )?;
        ensure!(list.body.contains(IMAGE), "not in the list there");
        Ok(())
    }

    /// Looks for a post by its words.
    pub(crate) fn finds(&self, site: &Site, words: &str, title: &str) -> Result<()> {
        let page = site.ask(&self.browser, &format!("/?s={words}"), &Sent::Nothing)?;
        ensure!(page.body.contains(title), "not found: {page:?}");
        Ok(())
    }

    /// The post's page has each of these comments once.
    pub(crate) fn reads_all(&self, site: &Site, post: &str, written: &[String]) -> Result<()> {
        let page = self.reads(site, post)?;
        for comment in written {
            let count = page.matches(&format!("<p>{comment}</p>")).count();
            ensure!(
                count == 1,
                "{comment} is there {count} times on {}",
                site.node
            );
        }
        let all = page.matches("<p>comment ").count();
        ensure!(all == written.len(), "{all} comments of {}", written.len());
        Ok(())
    }

    /// A page, whatever its address is called nowadays.
    fn reads(&self, site: &Site, path: &str) -> Result<String> {
        let mut page = site.ask(&self.browser, path, &Sent::Nothing)?;
        for _ in 0..3 {
            let Some((_, rest)) = page.location.split_once("://") else {
                break;
            };
            let path = rest.find('/').map_or("/", |at| &rest[at..]).to_owned();
            page = site.ask(&self.browser, &path, &Sent::Nothing)?;
        }
        ensure!(page.status == 200, "{path} on {}: {page:?}", site.node);
        Ok(page.body)
    }

    fn comments(&self, site: &Site, post: &str, text: &str) -> Result<()> {
        let post = post.trim_start_matches("/?p=");
        let fields = [("comment", text), ("comment_post_ID", post)];
        let page = site.ask(&self.browser, "/wp-comments-post.php", &Sent::Form(&fields))?;
        let is_taken = page.status == 302 && page.location.contains("#comment-");
        ensure!(is_taken, "{text} was not taken: {page:?}");
        Ok(())
    }
}

fn id(page: &Page) -> Result<u64> {
    let value: serde_json::Value = serde_json::from_str(&page.body)?;
    value["id"].as_u64().context("no id")
}

/// Comments here and reads it there, again and again; what was written.
pub(crate) fn comments(
    author: &Author,
    (here, there): (&Site, &Site),
    post: &str,
    count: &Count,
) -> Result<Vec<String>> {
    let mut written = Vec::new();
    while !count.is_over.load(Ordering::Relaxed) {
        let text = format!(
            "comment {} of {} {}",
            written.len(),
            here.node,
            count.number
        );
        author.comments(here, post, &text)?;
        let page = author.reads(there, post)?;
        ensure!(
            page.contains(&format!("<p>{text}</p>")),
            "{text} cannot be read on {}",
            there.node
        );
        written.push(text);
        count.made.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(count.rest);
    }
    Ok(written)
}

/// Waits until every visitor has made so many more comments.
pub(crate) async fn go_on(counts: &[Arc<Count>], more: usize) -> Result<()> {
    let now = |count: &Arc<Count>| count.made.load(Ordering::Relaxed);
    let goals: Vec<usize> = counts.iter().map(|count| now(count) + more).collect();
    let begun = Instant::now();
    while counts
        .iter()
        .zip(&goals)
        .any(|(count, goal)| now(count) < *goal)
    {
        ensure!(begun.elapsed() < LIMIT, "the visitors do not go on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
