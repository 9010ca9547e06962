-- Lua within Markdown files: blocks that open with ```lua, and the outputs that they show.

local documents = {}

local MARK = "@@docs@@" -- printed where an output block stands
documents.MARK = MARK

--- The script of a file, on the lines where its blocks stand, and the outputs that it promises.
function documents.extract(path)
  local script, outputs, kind = {}, {}, nil
  for line in io.lines(path) do
    local fence = line:match "^```(.*)$"
    local code = ""
    if fence and kind then
      kind = nil
    elseif fence then
      kind = fence == "lua" and "lua" or fence == "text output" and "output" or "other"
      if kind == "output" then
        outputs[#outputs + 1] = {}
        code = ("print %q"):format(MARK)
      end
    elseif kind == "lua" then
      code = line
    elseif kind == "output" then
      table.insert(outputs[#outputs], line)
    end
    script[#script + 1] = code
  end
  assert(not kind, path .. ": a block is not closed")
  return table.concat(script, "\n") .. "\n", outputs
end

return documents
