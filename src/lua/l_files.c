/* l_files.c: core.files, what Lua's own io cannot do: files that are replaced whole or not at all,
 * folders, private ones for temporary files, the names in a folder, and the size of a file.
 */

#include "../base/file.h" /* internal: the writer of every file */
#include "l_mgd.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int push_failure(lua_State *L, const char *message) {
    lua_pushnil(L);
    lua_pushstring(L, message);
    return 2;
}

/* write(path, text, durable) → true; or nil and what failed, with nothing changed */
static int files_write(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    size_t length;
    const char *text = luaL_checklstring(L, 2, &length);
    bool durable = lua_toboolean(L, 3);
    mgd_context ctx = {0};
    mgd_writer writer;
    mgd_status status = mgd_writer_open(&ctx, path, durable, &writer);
    if (status == MGD_OK)
        status = mgd_writer_close(&writer, mgd_writer_put(&writer, text, length));
    if (status != MGD_OK)
        return push_failure(L, ctx.message);
    lua_pushboolean(L, 1);
    return 1;
}

/* make_folder([place]) → the path of a new folder that nobody else can enter, within `place` or
 * where temporary files are; or nil and why there is none */
static int files_make_folder(lua_State *L) {
    const char *temporary = getenv("TMPDIR");
    const char *place = luaL_optstring(L, 1, temporary && temporary[0] == '/' ? temporary : "/tmp");
    const char *pattern = lua_pushfstring(L, "%s/mgd-XXXXXX", place);
    size_t size = strlen(pattern) + 1;
    char *name = memcpy(lua_newuserdata(L, size), pattern, size);
    if (!mkdtemp(name))
        return push_failure(L, lua_pushfstring(L, "%s: %s", pattern, strerror(errno)));
    lua_pushstring(L, name);
    return 1;
}

/* make_beside(path) → the path of a new folder beside another, whose place it is to take; or nil
 * and why there is none */
static int files_make_beside(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    const char *pattern = lua_pushfstring(L, "%s.XXXXXX", path);
    size_t size = strlen(pattern) + 1;
    char *name = memcpy(lua_newuserdata(L, size), pattern, size);
    /* others may enter it as they may what mkdir makes: the name is free again for a moment */
    if (!mkdtemp(name) || rmdir(name) != 0 || mkdir(name, 0777) != 0)
        return push_failure(L, lua_pushfstring(L, "%s: %s", path, strerror(errno)));
    lua_pushstring(L, name);
    return 1;
}

/* make_path(path) → true once there is such a folder, with those that it lies in; or nil and why
 * there is none */
static int files_make_path(lua_State *L) {
    size_t size;
    const char *path = luaL_checklstring(L, 1, &size);
    char *part = memcpy(lua_newuserdata(L, size + 1), path, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return push_failure(L, lua_pushfstring(L, "%s: %s", part, strerror(errno)));
        part[i] = path[i];
    }
    lua_pushboolean(L, 1);
    return 1;
}

#define L_FOLDER "mgd.files.folder"

static int folder_close(lua_State *L) {
    DIR **box = luaL_checkudata(L, 1, L_FOLDER);
    if (*box)
        closedir(*box);
    *box = NULL;
    return 0;
}

/* list(folder) → its names, in no order; none where it cannot be read */
static int files_list(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    lua_newtable(L);
    DIR **box = l_push_box(L, sizeof *box, L_FOLDER);
    *box = opendir(path);
    int n = 0;
    for (struct dirent *entry; *box && (entry = readdir(*box));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, -3, ++n);
    }
    if (*box)
        closedir(*box);
    *box = NULL;
    lua_pop(L, 1);
    return 1;
}

/* size(path) → bytes of a regular file; or nil and why it is none: pipes and devices may not end */
static int files_size(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    struct stat about;
    if (stat(path, &about) != 0)
        return push_failure(L, lua_pushfstring(L, "%s: %s", path, strerror(errno)));
    if (S_ISDIR(about.st_mode))
        return push_failure(L, lua_pushfstring(L, "%s: it is a folder", path));
    if (!S_ISREG(about.st_mode))
        return push_failure(L, lua_pushfstring(L, "%s: it is not a regular file", path));
    lua_pushnumber(L, (lua_Number)about.st_size);
    return 1;
}

static const luaL_Reg folder_methods[] = {{"__gc", folder_close}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"list", files_list},
    {"make_beside", files_make_beside},
    {"make_folder", files_make_folder},
    {"make_path", files_make_path},
    {"size", files_size},
    {"write", files_write},
    {NULL, NULL},
};

void l_open_files(lua_State *L) {
    l_new_type(L, L_FOLDER, folder_methods);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "files");
}
