//! The page: files that are part of the program, so that nothing has to be installed or fetched.

/// The content type and text of what is at this path.
pub(super) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    match path {
        "/" => Some(("text/html; charset=utf-8", include_str!("page/index.html"))),
        "/page.css" => Some(("text/css; charset=utf-8", include_str!("page/page.css"))),
        "/page.js" => Some(("text/javascript; charset=utf-8", include_str!("page/page.js"))),
        "/chart.js" => Some(("text/javascript; charset=utf-8", include_str!("page/chart.js"))),
        "/icon.svg" => Some(("image/svg+xml", include_str!("page/icon.svg"))),
        _ => None,
    }
}
