--- Pieces of a page of HTML. All text is escaped here.
-- @module mgd.studies.report.html

local core = require "mgd.core"
local xml = require("mgd.base.encoding").xml

local M = {}

local STYLE = [[
:root { color-scheme: light dark; --text: #1f2328; --soft: #59636e; --line: #d1d9e0;
  --page: #ffffff; --card: #f6f8fa; --accent: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --soft: #9198a1; --line: #3d444d; --page: #0d1117; --card: #151b23;
    --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.2rem 1rem 3rem; background: var(--page);
  color: var(--text); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .4rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; overflow-wrap: anywhere; }
p, figcaption { max-width: 46rem; overflow-wrap: anywhere; }
p { margin: .4rem 0 .8rem; }
.scroll { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .28rem .8rem .28rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
.number { white-space: nowrap; }
td:first-child { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  font-size: .92em; }
figure { margin: .8rem 0 1rem; }
.pictures { background: #ffffff; border: 1px solid var(--line); border-radius: .5rem;
  padding: .5rem; display: grid; gap: .5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
.pictures svg { display: block; width: 100%; max-width: 32rem; height: auto; margin: 0 auto; }
.wide { background: #ffffff; border: 1px solid var(--line); border-radius: .5rem;
  padding: .5rem; overflow-x: auto; }
.wide svg { display: block; height: auto; margin: 0 auto; }
figcaption, .note { color: var(--soft); font-size: .85rem; margin: .5rem 0 0; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--accent); }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; padding: .7rem .9rem; font-size: .82rem; line-height: 1.45; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 30rem) { body { padding: .6rem .75rem 2rem; } .pictures { padding: .2rem; }
  table { font-size: .8rem; } th, td { padding-right: .6rem; } pre { font-size: .72rem; } }
@media print {
  :root { color-scheme: light; --text: #000000; --soft: #444444; --line: #bbbbbb; --page: #ffffff;
    --card: #ffffff; --accent: #000000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .scroll, pre { overflow: visible; } pre { white-space: pre-wrap; font-size: 8pt; }
  td { overflow-wrap: anywhere; } th { overflow-wrap: normal; }
  .pictures, tr, pre { break-inside: avoid; } h2, summary, section > p { break-after: avoid; }
  .pictures { border: 0; grid-template-columns: repeat(3, 1fr); }
  details::details-content { content-visibility: visible; block-size: auto; } }
]]

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
  ["'"] = "&#39;" }

--- Text that a page may hold.
function M.escape(text)
  return (xml(text):gsub("[&<>\"']", ESCAPES))
end

function M.heading(text)
  return "<h1>" .. M.escape(text) .. "</h1>"
end

function M.subheading(text)
  return "<h3>" .. M.escape(text) .. "</h3>"
end

function M.paragraph(text)
  return "<p>" .. M.escape(text) .. "</p>"
end

function M.pre(text)
  return "<pre>" .. M.escape(text) .. "</pre>"
end

--- A remark in small print.
function M.note(text)
  return '<p class="note">' .. M.escape(text) .. "</p>"
end

--- A figure of pictures in inline SVG, which is no text, and a caption where there is one.
function M.figure(pictures, caption)
  caption = caption and "<figcaption>" .. M.escape(caption) .. "</figcaption>" or ""
  return '<figure><div class="pictures">' .. table.concat(pictures, "\n") .. "</div>" .. caption
    .. "</figure>"
end

--- One picture of any width: as wide as it was made, narrower where the page is, but never so
-- narrow that its words cannot be read: then it scrolls by itself.
function M.wide_figure(picture)
  local width = tonumber(picture:match '^<svg[^>]-%swidth=["\'](%d+)') or 640
  local sized = picture:gsub("^<svg", ('<svg style="width:100%%%%;min-width:%dpx;max-width:%dpx"')
    :format(math.min(width, math.max(300, math.floor(0.75 * width))), width), 1)
  return '<figure><div class="wide scroll">' .. sized .. "</div></figure>"
end

-- Whether a cell holds numbers, which are not to be torn apart at a line's end: an interval, a
-- number with its unit.
local function is_number(text)
  return text:gsub("∞", "0"):find "^[-+(]?%d" and not text:find "%a%a%a"
end

--- A table, which scrolls by itself where the page is narrow.
function M.table(head, rows)
  local lines = {}
  local function line(cells, tag)
    local parts = {}
    for i, cell in ipairs(cells) do
      parts[i] = ("<%s%s>%s</%s>"):format(tag, is_number(cell) and ' class="number"' or "",
        M.escape(cell), tag)
    end
    lines[#lines + 1] = "<tr>" .. table.concat(parts) .. "</tr>"
  end
  line(head, "th")
  for _, row in ipairs(rows) do
    line(row, "td")
  end
  return '<div class="scroll"><table>' .. table.concat(lines, "\n") .. "</table></div>"
end

--- What is folded away; "" without content.
function M.details(title, content)
  return content and ("<details><summary>%s</summary>%s</details>"):format(M.escape(title), content)
    or ""
end

--- A section; parts may be nil.
function M.section(title, parts)
  local list = { "<section><h2>" .. M.escape(title) .. "</h2>" }
  for i = 1, 8 do
    list[#list + 1] = parts[i]
  end
  list[#list + 1] = "</section>"
  return table.concat(list, "\n")
end

--- The page.
function M.page(title, body)
  return table.concat {
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
    -- nothing is loaded, no script runs
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; ',
    "style-src 'unsafe-inline'\">\n",
    "<title>", M.escape(title), "</title>\n<style>\n", STYLE, "</style>\n</head>\n<body>\n", body,
    "\n<footer>Made by mgd-lua ", M.escape(core.base.version()), " on ", os.date "!%Y-%m-%d",
    "</footer>\n</body>\n</html>\n",
  }
end

return M
