--- Tables as text: what spreadsheets and other programs write.

local csv = require "mgd.text.csv"
local files = require "spec.support.idx_files"
local support = require "spec.support.train"

local fails = support.fails

after_each(files.clean)

local function rows_of(text)
  return csv.read("here", files.write(text))
end

-- The cells alone.
local function cells_of(text)
  local out = {}
  for i, row in ipairs(rows_of(text)) do
    out[i] = {}
    for k, cell in ipairs(row) do
      out[i][k] = cell
    end
  end
  return out
end

describe("csv.read", function()
  it("takes rows of cells, whatever ends a line", function()
    for _, ending in ipairs { "\n", "\r\n", "\r" } do
      local text = "a,b\n1, 2 \n,\n\nx,\n"
      assert.same({ { "a", "b" }, { "1", "2" }, { "x", "" } }, cells_of((text:gsub("\n", ending))))
    end
    assert.same({ { "a" }, { "b" } }, cells_of "a\nb")
    assert.same({}, cells_of "")
  end)

  it("numbers the lines of the file", function()
    local rows = rows_of '# head\n\na,b\n"1\n2",3\n# between\n4,5\n'
    assert.same({ 3, 4, 7 }, { rows[1].line, rows[2].line, rows[3].line })
  end)

  it("takes cells in quotes: doubled quotes, separators, line breaks", function()
    assert.same({ { 'die 5" A', "b,c", "d\ne", "" }, { "", '"', '""', "x" } },
      cells_of '"die 5"" A", "b,c" ,"d\ne",""\n"","""","""""",x\n')
    assert.same({ { 'die 5" A', "b" } }, cells_of 'die 5" A,b\n')
    assert.same({ { "a\nb", "c" } }, cells_of '"a\r\nb",c\r\n')
  end)

  it("refuses quotes that do not close, and text behind them", function()
    fails(":2: a quote is opened and never closed", rows_of, 'a,b\n1,"2\n3,4\n')
    fails([[:2: 'A"' follows a closing quote: a quote within quotes is written twice]], rows_of,
      'a,b\n"die 5" A",2\n')
  end)

  it("takes the separator from the line of names, outside of quotes, or from sep=", function()
    for text, separator in pairs { ["a;b,c;d\n"] = ";", ["a\tb, c\td\n"] = "\t",
      ['"a,b,c";d\n'] = ";", ["sep=;\na\n"] = ";", ["SEP=,\na;b;c\n"] = ",", ["a\n"] = ",",
      ["\239\187\191sep=\t\r\na\tb\r\n"] = "\t", ['# a;b\n"a,\nb,";c\n'] = ";" } do
      assert.equal(separator, rows_of(text).separator, text)
    end
    assert.same({ { "a" } }, cells_of "sep=;\na\n")
    assert.same({ { "a", "", "b" }, { "", "c", "d" } }, cells_of "a\t\tb\n\tc\t\"d\"\n")
  end)

  it("leaves out a byte order mark, comments, and rows without any text", function()
    assert.same({ { "a", "b" }, { "1", "2" } }, cells_of "\239\187\191a;b\n1;2\n;\n # no\n ; \n")
  end)

  it("names what no text is", function()
    fails("this is UTF-16 text: save it as UTF-8", rows_of, "\255\254a\0,\0b\0")
    fails(":2: this is no text: it has a zero byte", rows_of, "a,b\n1,\0002\n")
  end)
end)

describe("a number in a cell", function()
  it("is decimal digits, a point, an exponent, and nothing else", function()
    local rows = rows_of "a\n"
    for text, value in pairs { ["1"] = 1, ["-1.5"] = -1.5, ["+2"] = 2, [".5"] = 0.5, ["3."] = 3,
      ["1e5"] = 1e5, ["1.5E-3"] = 1.5e-3, ["-.5e+2"] = -50, ["007"] = 7 } do
      assert.equal(value, rows:number(text), text)
    end
    for _, text in ipairs { "", "0x1F", "0b1", "1e", "e5", ".", "-", "inf", "nan", "-inf", "1 2",
      "1.2.3", "1_000", "1LL", "12i", "--1", "+-1", "infinity", "1p4", "٣" } do
      assert.is_nil(rows:number(text), text)
    end
  end)

  it("may have a decimal comma where the comma separates nothing", function()
    for _, head in ipairs { "a;b\n", "a\tb\n", "sep=;\na\n" } do
      local rows = rows_of(head)
      assert.equal(12.5, rows:number "12,5")
      assert.equal(-1.5e-7, rows:number "-1,5e-7")
      assert.equal(0.5, rows:number ",5")
      assert.equal(3, rows:number "3")
      assert.is_nil(rows:number "1,234,567")
      assert.is_nil(rows:number "1.234,5")
      assert.is_nil(rows:number "1,234.5")
    end
    assert.same({ nil, "decimal commas need columns that ';' or tabs separate" },
      { rows_of("a,b\n"):number "1,5" })
  end)

  it("has the decimal mark of those before it", function()
    local rows = rows_of "a;b\n"
    assert.equal(1.5, rows:number "1,5")
    assert.same({ nil, "it has a decimal point, numbers before it have commas" },
      { rows:number "1.5" })
    rows = rows_of "a;b\n"
    assert.equal(1234, rows:number "1234")
    assert.equal(1.5, rows:number "1.5")
    assert.same({ nil, "it has a decimal comma, numbers before it have points" },
      { rows:number "1,234" })
  end)
end)

describe("csv.text", function()
  it("is read back as it was", function()
    local rows = { { "a,b", 'say "a"', 0.1 + 0.2 }, { "two\nlines", "", -1e300 } }
    local text = csv.text({ "x", "y;z", "value" }, rows)
    local found = csv.read("here", files.write(text))
    assert.same({ "x", "y;z", "value" }, { found[1][1], found[1][2], found[1][3] })
    for i, row in ipairs(rows) do
      assert.same({ row[1], row[2] }, { found[i + 1][1], found[i + 1][2] })
      assert.equal(row[3], found:number(found[i + 1][3]))
    end
  end)

  it("leaves cells empty that have no value", function()
    assert.equal("a,b,c,d\n,,,1\n", csv.text({ "a", "b", "c", "d" }, { { nil, false, 0 / 0, 1 } }))
  end)
end)
