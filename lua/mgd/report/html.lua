--- Pieces of a page of HTML. All text is escaped here.
-- @module mgd.report.html

local core = require "mgd.core"

local M = {}

local STYLE = [[
:root { color-scheme: light dark; --text: #1f2328; --soft: #59636e; --line: #d1d9e0;
  --page: #ffffff; --card: #f6f8fa; --accent: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --soft: #9198a1; --line: #3d444d; --page: #0d1117; --card: #151b23;
    --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.2rem 1rem 3rem; background: var(--page);
  color: var(--text); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .4rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
p { margin: .4rem 0 .8rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .28rem .8rem .28rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
td:first-child { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  font-size: .92em; }
figure { margin: .8rem 0 1rem; background: #ffffff; border: 1px solid var(--line);
  border-radius: .5rem; padding: .6rem; display: grid; gap: .6rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); }
figure svg { display: block; width: 100%; height: auto; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--accent); }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; padding: .7rem .9rem; font-size: .82rem; line-height: 1.45; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media print { body { max-width: none; font-size: 11pt; } .scroll, pre, figure { overflow: visible; }
  pre { white-space: pre-wrap; } figure, tr, h2 { break-inside: avoid; } h2 { break-after: avoid; }
  details > *:not(summary) { display: block; } }
]]

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- Text that a page may hold.
function M.escape(text)
  return (text:gsub("[&<>\"']", ESCAPES):gsub("[%z\1-\8\11\12\14-\31]", ""))
end

function M.heading(text)
  return "<h1>" .. M.escape(text) .. "</h1>"
end

function M.paragraph(text)
  return "<p>" .. M.escape(text) .. "</p>"
end

function M.pre(text)
  return "<pre>" .. M.escape(text) .. "</pre>"
end

--- A figure of pictures in inline SVG, which is no text.
function M.figure(pictures)
  return "<figure>" .. table.concat(pictures, "\n") .. "</figure>"
end

--- A table, which scrolls by itself where the page is narrow.
function M.table(head, rows)
  local lines = {}
  local function line(cells, tag)
    local parts = {}
    for i, cell in ipairs(cells) do
      parts[i] = ("<%s>%s</%s>"):format(tag, M.escape(cell), tag)
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
    "<title>", M.escape(title), "</title>\n<style>\n", STYLE, "</style>\n</head>\n<body>\n", body,
    "\n<footer>Made by mgd-lua ", M.escape(core.base.version()), " on ", os.date "!%Y-%m-%d",
    "</footer>\n</body>\n</html>\n",
  }
end

return M
