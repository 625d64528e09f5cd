//! A page of a listing: the few elements of its XML that matter.
//!
//! Keys are asked for with what is special in them escaped as in URLs, so there is nothing in an
//! element that XML would escape.

use percent_encoding::percent_decode_str;

/// What a page holds.
pub(super) struct ListPage {
    /// Keys and sizes.
    pub objects: Vec<(String, u64)>,
    /// What the next page is asked for with.
    pub next: Option<String>,
}

/// Reads a page; `None`: it is none.
pub(super) fn page(body: &[u8]) -> Option<ListPage> {
    let text = std::str::from_utf8(body).ok()?;
    let text = text.get(text.find("<ListBucketResult")?..)?;
    let mut objects = Vec::new();
    let mut rest = text;
    while let Some((contents, after)) = element(rest, "Contents") {
        let (key, _) = element(contents, "Key")?;
        let (size, _) = element(contents, "Size")?;
        let key = percent_decode_str(&plain(key)).decode_utf8().ok()?.into_owned();
        objects.push((key, size.trim().parse().ok()?));
        rest = after;
    }
    let is_more = element(text, "IsTruncated").is_some_and(|(text, _)| text.trim() == "true");
    let next = match is_more {
        // A page that is cut off says how to go on.
        true => Some(plain(element(text, "NextContinuationToken")?.0)),
        false => None,
    };
    Some(ListPage { objects, next })
}

/// The text in the first element of this name, and what follows it.
fn element<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    after.split_once(&format!("</{name}>"))
}

fn plain(text: &str) -> String {
    let replaced = text.replace("&quot;", "\"").replace("&apos;", "'").replace("&lt;", "<");
    replaced.replace("&gt;", ">").replace("&amp;", "&")
}

/// The code of an error.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (code, _) = element(text, "Code")?;
    let is_code = !code.is_empty() && code.bytes().all(|b| b.is_ascii_alphanumeric());
    is_code.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_and_says_how_to_go_on() {
        let body = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3/\"><Name>b</Name>\
            <IsTruncated>true</IsTruncated><Contents><Key>a%2Fb</Key><ETag>&quot;x&quot;</ETag>\
            <Size>7</Size></Contents><Contents><Key>c</Key><Size>0</Size></Contents>\
            <NextContinuationToken>t&amp;1=</NextContinuationToken></ListBucketResult>";
        let read = page(body.as_bytes()).unwrap();
        assert_eq!(read.objects, [("a/b".to_owned(), 7), ("c".to_owned(), 0)]);
        assert_eq!(read.next.as_deref(), Some("t&1="));
        let last = body.replace(">true<", ">false<");
        assert_eq!(page(last.as_bytes()).unwrap().next, None);
    }

    #[test]
    fn what_is_no_page_is_refused() {
        let cut = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
        let no_size = "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>";
        for body in [&b"<html>"[..], b"\xff", b"", cut.as_bytes(), no_size.as_bytes()] {
            assert!(page(body).is_none());
        }
        assert_eq!(
            error_code(b"<Error><Code>NoSuchKey</Code></Error>").as_deref(),
            Some("NoSuchKey")
        );
        assert_eq!(error_code(b"<Error><Code>a b</Code></Error>"), None);
        assert_eq!(error_code(b"<html>"), None);
    }
}
