/* l_door.c: ways to the library's Lua files for names that its folders do not have.
 *
 * A stock interpreter that requires "mgd.store" before "mgd" looks for mgd/store.lua, which lies in
 * a room of lua/mgd by now, and at last for luaopen_mgd_store in a library mgd.so: build/mgd.so is
 * a link to mgd/core.so. These functions let lua/mgd/searcher.lua, which package.path sees, find
 * the file. The names are the ones that it knows as moved, and those of rooms with an init.lua. */

#include "l_mgd.h"

/* (name, path of the library) */
static const char way[] = "local name = ...\n"
                          "local path, tried = package.searchpath('mgd.searcher', package.path)\n"
                          "if not path then\n"
                          "  error((\"module '%s' not found:%s\"):format(name, tried), 0)\n"
                          "end\n"
                          "local loader, file = dofile(path)(name)\n"
                          "return loader(name, file)\n";

static int enter(lua_State *L) {
    lua_settop(L, 1);
    if (luaL_loadbuffer(L, way, sizeof way - 1, "=mgd") != 0)
        return lua_error(L);
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* Where package.path has no ?/init.lua, this one is found as well. */
MGD_API int luaopen_mgd(lua_State *L);
MGD_API int luaopen_mgd(lua_State *L) {
    return enter(L);
}

#define DOOR(name)                                                                                 \
    MGD_API int luaopen_mgd_##name(lua_State *L);                                                  \
    MGD_API int luaopen_mgd_##name(lua_State *L) {                                                 \
        return enter(L);                                                                           \
    }

DOOR(advise)
DOOR(baselines)
DOOR(budget)
DOOR(checkpoint)
DOOR(chip)
DOOR(code_report)
DOOR(codes)
DOOR(csv)
DOOR(data)
DOOR(each)
DOOR(experiment)
DOOR(explain)
DOOR(figures)
DOOR(files)
DOOR(fit)
DOOR(fit_csv)
DOOR(fit_plot)
DOOR(grid)
DOOR(history)
DOOR(hw)
DOOR(interrupts)
DOOR(json)
DOOR(layers)
DOOR(listing)
DOOR(log)
DOOR(memory)
DOOR(mimo)
DOOR(naming)
DOOR(nn)
DOOR(options)
DOOR(plot)
DOOR(predictions)
DOOR(probes)
DOOR(program)
DOOR(progress)
DOOR(ranges)
DOOR(record)
DOOR(report)
DOOR(schedules)
DOOR(sequences)
DOOR(stats)
DOOR(store)
DOOR(sweep)
DOOR(text)
DOOR(time_constants)
DOOR(tolerance)
DOOR(train)
