/* l_open.c: luaopen_mgd_core, and the table of modules. */

#include "l_mgd.h"

static void (*const modules[])(lua_State *) = {
    l_open_core,      l_open_base,       l_open_tensor,   l_open_net,   l_open_data,
    l_open_hw,        l_open_fit,        l_open_chip,     l_open_train, l_open_run,
    l_open_recording, l_open_checkpoint, l_open_sqlite,   l_open_files, l_open_process,
    l_open_serve,     l_open_stats,      l_open_terminal, l_open_wire,  l_open_instrument,
    l_open_rtl,
};

MGD_API int luaopen_mgd_core(lua_State *L);
MGD_API int luaopen_mgd_core(lua_State *L) {
    lua_newtable(L);
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        modules[i](L);
    return 1;
}
