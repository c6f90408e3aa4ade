"""The playground: a page that shows a `.net` file with its errors, picture, table and code.

`answer` has what the page shows for a text. `page.html`, `page.css` and `page.js` are the page itself, which
asks either Python in the browser (`worker.js`, on the documentation site) or `server`, for `netdsl serve`.
"""
