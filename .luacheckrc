-- Lua 5.4 and LuaJIT read the same sources.
std = "max"
max_line_length = 100
exclude_files = { "build/**", "out/**" }

files["spec/**/*_spec.lua"] = { std = "max+busted" }
files["examples/**/*.lua"] = { std = "max" }
