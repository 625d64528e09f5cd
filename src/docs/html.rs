//! A page in HTML: one file that needs nothing else (no scripts, no fonts, no requests), or as a server
//! shows it, with a search.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};
use tidemark_jobs::docs::{Page, Section};

/// How pages look.
pub(super) const STYLE: &str = include_str!("page.css");

/// What stands above the contents where a server shows the page.
const SEARCH: &str = "<label class=\"find\">Find <input id=\"find\" type=\"search\" autocomplete=\"off\" \
     spellcheck=\"false\" placeholder=\"a name, a word\"></label>\n\
     <p id=\"found\" aria-live=\"polite\"></p>\n";

/// The page as a file.
pub(super) fn page(page: &Page) -> String {
    let head = format!(
        "<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<style>\n{STYLE}</style>\n"
    );
    whole(page, &head, "")
}

/// What leads from pages of the program to that of the job.
const BACK: &str = "<a class=\"top\" href=\"./\">Features of the job</a><br>\n";

/// The page as a server shows it, beside its style and its search; `of_job`: it is the job's.
pub(super) fn served(page: &Page, of_job: bool) -> String {
    let head = "<link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"page.css\">\n\
                <script type=\"module\" src=\"search.js\"></script>\n";
    let back = if of_job { "" } else { BACK };
    whole(page, head, &format!("{SEARCH}{back}"))
}

fn whole(page: &Page, head: &str, search: &str) -> String {
    let title = escaped(&page.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n{head}</head>\n<body>\n"
    );
    out.push_str(&format!("<header id=\"top\">\n<h1>{title}</h1>\n"));
    body(&page.lead, None, &mut out);
    out.push_str("</header>\n");
    contents(page, search, &mut out);
    out.push_str("<main>\n");
    for section in &page.sections {
        let level = section.level.clamp(2, 6);
        let (id, heading) = (escaped(&section.anchor()), heading(section));
        out.push_str(&format!(
            "<section id=\"{id}\">\n<h{level}><a href=\"#{id}\">{heading}</a></h{level}>\n"
        ));
        body(&section.body, features_of(section), &mut out);
        out.push_str("</section>\n");
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// The view whose features a section lists.
fn features_of(section: &Section) -> Option<&str> {
    section.name.as_deref().filter(|_| section.label == "View")
}

fn heading(section: &Section) -> String {
    let label = escaped(&section.label);
    match &section.name {
        Some(name) => {
            format!("<span class=\"label\">{label}</span> <code>{}</code>", escaped(name))
        }
        None => label,
    }
}

fn contents(page: &Page, search: &str, out: &mut String) {
    out.push_str(&format!(
        "<nav aria-label=\"Contents\">\n{search}<a class=\"top\" href=\"#top\">Contents</a>\n<ul>\n",
    ));
    for section in &page.sections {
        let class = if section.level > 2 { " class=\"inner\"" } else { "" };
        let id = escaped(&section.anchor());
        let shown = match (&section.name, section.level) {
            (Some(name), 3..) => format!("<code>{}</code>", escaped(name)),
            _ => heading(section),
        };
        out.push_str(&format!("<li{class}><a href=\"#{id}\">{shown}</a></li>\n"));
    }
    out.push_str("</ul>\n</nav>\n");
}

/// Appends Markdown as HTML. The rows of `view`'s features get anchors: `view.feature`.
fn body(markdown: &str, view: Option<&str>, out: &mut String) {
    let mut cells = Cells { view, ..Cells::default() };
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES);
    let events = parser.flat_map(|event| cells.shown(event));
    pulldown_cmark::html::push_html(out, events);
}

/// Where in a table a page is.
#[derive(Default)]
struct Cells<'a> {
    view: Option<&'a str>,
    /// What the columns of the table are called.
    heads: Vec<String>,
    in_head: bool,
    in_row: bool,
    cell: usize,
}

impl Cells<'_> {
    /// What is shown for an event: HTML in a page's Markdown as the text that it is, tables inside of
    /// what scrolls, every cell with the name of its column, for screens on which a row is a list,
    /// and a feature's name as an anchor.
    fn shown<'e>(&mut self, event: Event<'e>) -> Vec<Event<'e>> {
        let html = |html: &'static str| Event::Html(CowStr::Borrowed(html));
        match event {
            Event::Html(text) | Event::InlineHtml(text) => vec![Event::Text(text)],
            // A page asks for nothing, so of a picture there is what it says instead.
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => Vec::new(),
            Event::Start(Tag::Table(_)) => {
                self.heads.clear();
                vec![html(self.region()), event]
            }
            Event::End(TagEnd::Table) => vec![event, html("</div>\n")],
            Event::Start(Tag::TableHead) => {
                self.in_head = true;
                vec![event]
            }
            Event::End(TagEnd::TableHead) => {
                self.in_head = false;
                vec![event]
            }
            Event::Start(Tag::TableRow) => {
                (self.in_row, self.cell) = (true, 0);
                vec![event]
            }
            Event::Start(Tag::TableCell) if self.in_row => {
                let head = self.heads.get(self.cell).map_or(String::new(), |head| escaped(head));
                self.cell += 1;
                vec![Event::Html(CowStr::from(format!("<td data-label=\"{head}\">")))]
            }
            Event::End(TagEnd::TableCell) if self.in_row => vec![html("</td>")],
            Event::End(TagEnd::TableRow) => {
                self.in_row = false;
                vec![event]
            }
            Event::Text(ref text) if self.in_head => {
                self.heads.push(text.to_string());
                vec![event]
            }
            Event::Code(name) if self.in_row && self.cell == 1 => vec![self.named(name)],
            event => vec![event],
        }
    }

    /// Tables of features have columns of their own widths; on a small screen their rows are lists.
    fn region(&self) -> &'static str {
        match self.view {
            Some(_) => {
                "<div class=\"table features\" role=\"region\" aria-label=\"Table\" tabindex=\"0\">\n"
            }
            None => "<div class=\"table\" role=\"region\" aria-label=\"Table\" tabindex=\"0\">\n",
        }
    }

    fn named<'e>(&self, name: CowStr<'e>) -> Event<'e> {
        let Some(view) = self.view else { return Event::Code(name) };
        let (id, name) = (escaped(&format!("{view}.{name}")), escaped(&name));
        let anchor = format!("<a id=\"{id}\" href=\"#{id}\"><code>{name}</code></a>");
        Event::InlineHtml(CowStr::from(anchor))
    }
}

/// A text inside of HTML, in an attribute too.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(markdown: &str) -> String {
        let mut out = String::new();
        body(markdown, Some("v"), &mut out);
        out
    }

    #[test]
    fn html_in_markdown_is_shown_and_not_obeyed() {
        let shown = html("a <script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n");
        assert!(!shown.contains("<script") && !shown.contains("<img"), "{shown}");
        assert!(shown.contains("&lt;script&gt;"), "{shown}");
    }

    #[test]
    fn of_a_picture_there_is_what_it_says_instead() {
        assert_eq!(html("![the screen](a.svg)\n"), "<p>the screen</p>\n");
    }

    #[test]
    fn every_row_of_a_view_has_an_anchor_and_its_other_cells_have_none() {
        let shown = html("| Feature | Type |\n| --- | --- |\n| `f` | `int64` |\n");
        assert!(shown.contains("<a id=\"v.f\" href=\"#v.f\"><code>f</code></a>"), "{shown}");
        assert_eq!(shown.matches("<a id").count(), 1);
        assert!(shown.starts_with("<div class=\"table features\""), "{shown}");
    }

    #[test]
    fn every_cell_has_the_name_of_its_column() {
        let shown = html("| Feature | A \"b\" |\n| --- | --- |\n| `f` | x |\n| `g` |  |\n");
        assert!(shown.contains("<td data-label=\"A &quot;b&quot;\">x</td>"), "{shown}");
        assert_eq!(shown.matches("<td data-label=\"Feature\">").count(), 2, "{shown}");
        assert_eq!(shown.matches("</td>").count(), 4, "{shown}");
        assert!(shown.contains("</tbody></table>"), "{shown}");
    }

    #[test]
    fn titles_are_escaped() {
        let section = Section { level: 2, label: "<i>".into(), name: None, body: String::new() };
        let text =
            page(&Page { title: "<b>".into(), lead: String::new(), sections: vec![section] });
        assert!(text.contains("<h1>&lt;b&gt;</h1>") && text.contains("&lt;i&gt;"), "{text}");
        assert!(!text.contains("<b>") && !text.contains("<i>"), "{text}");
    }
}
