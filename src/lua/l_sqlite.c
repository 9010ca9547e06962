/* l_sqlite.c: core.sqlite, a thin binding of SQLite: connections and prepared statements.
 *
 * NULL is nil, a boolean is 0 or 1, NaN becomes NULL (SQLite has none). A statement keeps its
 * connection alive; closing a connection ends its statements, which then say so. Messages are
 * SQLite's own. Ctrl-C ends what reads and what waits for another process, but never a write that
 * has begun: transactions are short.
 */

#include "l_mgd.h"

#include <math.h>
#include <sqlite3.h>
#include <string.h>
#include <time.h>

#define L_DATABASE "mgd.sqlite"
#define L_STATEMENT "mgd.sqlite.statement"

#define PROGRESS_STEPS 50000 /* instructions of SQLite between two looks at the interrupt flag */
#define WAIT_MOST 0.01       /* seconds between two tries for a lock */
#define BACKUP_PAGES 1024    /* copied between two looks at the interrupt flag */

typedef struct {
    sqlite3 *handle; /* NULL: closed */
    double timeout;  /* seconds to wait for a lock of another process */
    double since;    /* when the present waiting began */
    int code;        /* of the last failure */
} l_database;

typedef struct {
    sqlite3_stmt *handle; /* NULL: closed; not to be used when its connection is */
    l_database *db;       /* the box's user value is a table that holds it */
} l_statement;

static l_database *check_database(lua_State *L) {
    l_database *db = luaL_checkudata(L, 1, L_DATABASE);
    if (!db->handle)
        l_error(L, "sqlite: the database is closed");
    return db;
}

static l_statement *check_statement(lua_State *L) {
    l_statement *st = luaL_checkudata(L, 1, L_STATEMENT);
    if (!st->handle || !st->db->handle)
        l_error(L, "sqlite: the statement is closed");
    return st;
}

/* ---- failures -------------------------------------------------------------------------------- */

/* Keeps the code of the failure that the connection tells of and leaves its message on the stack.
 */
static void push_failure(lua_State *L, l_database *db) {
    db->code = sqlite3_errcode(db->handle);
    bool stopped = db->code == SQLITE_INTERRUPT || db->code == SQLITE_BUSY;
    if (stopped && mgd_interrupt_pending()) {
        mgd_interrupt_clear();
        db->code = SQLITE_INTERRUPT;
        lua_pushliteral(L, "interrupted");
    } else if (db->code == SQLITE_BUSY) {
        const char *path = sqlite3_db_filename(db->handle, "main");
        lua_pushfstring(L, "sqlite: database is locked: %s", path ? path : "");
    } else
        lua_pushfstring(L, "sqlite: %s", sqlite3_errmsg(db->handle));
}

static int raise_failure(lua_State *L, l_database *db) {
    push_failure(L, db);
    return l_error(L, "%s", lua_tostring(L, -1));
}

/* A statement that failed is reset first, so that it can be used again. */
static int raise_step(lua_State *L, l_statement *st) {
    push_failure(L, st->db);
    sqlite3_reset(st->handle);
    return l_error(L, "%s", lua_tostring(L, -1));
}

static const char *code_name(int code) {
    switch (code & 0xff) {
    case SQLITE_OK:
        return "ok";
    case SQLITE_BUSY:
        return "busy"; /* another connection, which lets go of it some time; LOCKED is this one */
    case SQLITE_CANTOPEN:
        return "cantopen";
    case SQLITE_CONSTRAINT:
        return "constraint";
    case SQLITE_CORRUPT:
        return "corrupt";
    case SQLITE_FULL:
        return "full";
    case SQLITE_INTERRUPT:
        return "interrupt";
    case SQLITE_IOERR:
        return "ioerr";
    case SQLITE_NOTADB:
        return "notadb";
    case SQLITE_READONLY:
        return "readonly";
    default:
        return "error";
    }
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static int on_progress(void *arg) {
    const l_database *db = arg;
    return mgd_interrupt_pending() && sqlite3_get_autocommit(db->handle);
}

/* Another process holds the lock: waits a little and says whether to try again. */
static int on_busy(void *arg, int tries) {
    l_database *db = arg;
    if (tries == 0)
        db->since = mgd_clock();
    if (mgd_interrupt_pending() || mgd_clock() - db->since > db->timeout)
        return 0;
    double wait = 2e-4 * (tries + 1);
    wait = wait < WAIT_MOST ? wait : WAIT_MOST;
    nanosleep(&(struct timespec){.tv_nsec = (long)(wait * 1e9)}, NULL);
    return 1;
}

/* ---- connections ----------------------------------------------------------------------------- */

static bool option(lua_State *L, int index, const char *name, bool otherwise) {
    if (!lua_istable(L, index))
        return otherwise;
    lua_getfield(L, index, name);
    bool value = lua_isnil(L, -1) ? otherwise : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

/* open(path, {readonly = false, create = true, uri = false, timeout = 10000 ms}) → database; or
 * nil, SQLite's words, and a word for the reason */
static int sqlite_open(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    int flags = SQLITE_OPEN_NOMUTEX;
    if (option(L, 2, "readonly", false))
        flags |= SQLITE_OPEN_READONLY;
    else
        flags |= SQLITE_OPEN_READWRITE | (option(L, 2, "create", true) ? SQLITE_OPEN_CREATE : 0);
    if (option(L, 2, "uri", false))
        flags |= SQLITE_OPEN_URI;
    double timeout = 10000;
    if (lua_istable(L, 2)) {
        lua_getfield(L, 2, "timeout");
        timeout = luaL_optnumber(L, -1, timeout);
        lua_pop(L, 1);
    }
    l_database *db = l_push_box(L, sizeof *db, L_DATABASE);
    db->timeout = timeout / 1000;
    int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (code != SQLITE_OK) {
        lua_pushnil(L);
        lua_pushstring(L, db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code));
        lua_pushstring(L, code_name(code));
        sqlite3_close(db->handle);
        db->handle = NULL;
        return 3;
    }
    sqlite3_progress_handler(db->handle, PROGRESS_STEPS, on_progress, db);
    sqlite3_busy_handler(db->handle, on_busy, db);
    return 1;
}

/* close(): what is open no more stays so. With {checkpoint = false} what a crash left in the
 * write-ahead log stays there. */
static int database_close(lua_State *L) {
    l_database *db = luaL_checkudata(L, 1, L_DATABASE);
    if (!db->handle)
        return 0;
    if (!option(L, 2, "checkpoint", true))
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_stmt *st;
    while ((st = sqlite3_next_stmt(db->handle, NULL)))
        sqlite3_finalize(st);
    sqlite3_close(db->handle);
    db->handle = NULL;
    return 0;
}

/* timeout(ms): how long to wait for a lock of another process from now on */
static int database_timeout(lua_State *L) {
    check_database(L)->timeout = luaL_checknumber(L, 2) / 1000;
    return 0;
}

/* moved() → whether the file has been removed, renamed or replaced since it was opened: what is
 * written goes where nobody finds it */
static int database_moved(lua_State *L) {
    int moved = 0;
    sqlite3_file_control(check_database(L)->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    lua_pushboolean(L, moved);
    return 1;
}

/* exec(sql): any number of statements, whose rows are not wanted. */
static int database_exec(lua_State *L) {
    l_database *db = check_database(L);
    db->code = SQLITE_OK;
    if (sqlite3_exec(db->handle, luaL_checkstring(L, 2), NULL, NULL, NULL) != SQLITE_OK)
        return raise_failure(L, db);
    return 0;
}

/* prepare(sql) → statement */
static int database_prepare(lua_State *L) {
    l_database *db = check_database(L);
    size_t length;
    const char *sql = luaL_checklstring(L, 2, &length), *rest;
    l_statement *st = l_push_box(L, sizeof *st, L_STATEMENT);
    st->db = db;
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    l_set_user_value(L, -2);
    if (sqlite3_prepare_v2(db->handle, sql, (int)length + 1, &st->handle, &rest) != SQLITE_OK)
        return raise_failure(L, db);
    if (!st->handle || rest[strspn(rest, " \t\r\n;")] != '\0')
        return l_error(L, "sqlite: expected one statement, got '%.200s'", sql);
    return 1;
}

/* failure() → a word for the reason of the last failure since `exec` was called last: "full",
 * "readonly", "busy", …; "ok" where nothing failed */
static int database_failure(lua_State *L) {
    lua_pushstring(L, code_name(check_database(L)->code));
    return 1;
}

/* in_transaction() */
static int database_in_transaction(lua_State *L) {
    lua_pushboolean(L, !sqlite3_get_autocommit(check_database(L)->handle));
    return 1;
}

/* last_id() → the row that was inserted last */
static int database_last_id(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)sqlite3_last_insert_rowid(check_database(L)->handle));
    return 1;
}

/* backup(other): what is in this database becomes all that is in the other one. */
static int database_backup(lua_State *L) {
    const l_database *db = check_database(L);
    l_database *other = luaL_checkudata(L, 2, L_DATABASE);
    luaL_argcheck(L, other->handle, 2, "the database is closed");
    sqlite3_backup *backup = sqlite3_backup_init(other->handle, "main", db->handle, "main");
    if (!backup)
        return raise_failure(L, other);
    int code;
    do
        code = sqlite3_backup_step(backup, BACKUP_PAGES);
    while (code == SQLITE_OK && !mgd_interrupt_pending());
    sqlite3_backup_finish(backup);
    if (code == SQLITE_DONE)
        return 0;
    if (code == SQLITE_OK) {
        mgd_interrupt_clear();
        return l_error(L, "interrupted");
    }
    return raise_failure(L, other);
}

/* ---- statements ------------------------------------------------------------------------------ */

static bool is_integer(lua_State *L, int index) {
#if LUA_VERSION_NUM >= 503
    return lua_isinteger(L, index);
#else
    double value = lua_tonumber(L, index);
    return value == floor(value) && fabs(value) <= 0x1p53;
#endif
}

static int bind_value(lua_State *L, l_statement *st, int index, int place) {
    size_t length;
    const char *text;
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        return sqlite3_bind_null(st->handle, place);
    case LUA_TBOOLEAN:
        return sqlite3_bind_int(st->handle, place, lua_toboolean(L, index));
    case LUA_TNUMBER:
        if (is_integer(L, index))
            return sqlite3_bind_int64(st->handle, place, (sqlite3_int64)lua_tointeger(L, index));
        return sqlite3_bind_double(st->handle, place, lua_tonumber(L, index));
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &length);
        return sqlite3_bind_text64(st->handle, place, text, length, SQLITE_TRANSIENT, SQLITE_UTF8);
    default:
        return l_error(L, "sqlite: value %d: expected a number, a string, a boolean or nil, got %s",
                       place, luaL_typename(L, index));
    }
}

/* Starts the statement of the arguments anew with the values that follow it. */
static l_statement *start(lua_State *L) {
    l_statement *st = check_statement(L);
    int given = lua_gettop(L) - 1, wanted = sqlite3_bind_parameter_count(st->handle);
    if (given != wanted)
        l_error(L, "sqlite: expected %d values, got %d, for: %.200s", wanted, given,
                sqlite3_sql(st->handle));
    sqlite3_reset(st->handle);
    for (int i = 1; i <= given; i++)
        if (bind_value(L, st, i + 1, i) != SQLITE_OK)
            raise_step(L, st);
    return st;
}

/* Whether there is a row; without one the statement is reset. */
static bool next_row(lua_State *L, l_statement *st) {
    int code = sqlite3_step(st->handle);
    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        raise_step(L, st);
    sqlite3_reset(st->handle);
    return false;
}

static void push_column(lua_State *L, sqlite3_stmt *handle, int column) {
    switch (sqlite3_column_type(handle, column)) {
    case SQLITE_NULL:
        lua_pushnil(L);
        break;
    case SQLITE_INTEGER:
        lua_pushinteger(L, (lua_Integer)sqlite3_column_int64(handle, column));
        break;
    case SQLITE_FLOAT:
        lua_pushnumber(L, sqlite3_column_double(handle, column));
        break;
    default: {
        const void *bytes = sqlite3_column_blob(handle, column); /* text as it is */
        lua_pushlstring(L, bytes ? bytes : "", (size_t)sqlite3_column_bytes(handle, column));
    }
    }
}

/* bind(values…) → the statement, started anew */
static int statement_bind(lua_State *L) {
    start(L);
    lua_settop(L, 1);
    return 1;
}

/* step() → the next row as a list of its columns, or nil at the end */
static int statement_step(lua_State *L) {
    l_statement *st = check_statement(L);
    if (!next_row(L, st)) {
        lua_pushnil(L);
        return 1;
    }
    int columns = sqlite3_column_count(st->handle);
    lua_createtable(L, columns, 0);
    for (int i = 0; i < columns; i++) {
        push_column(L, st->handle, i);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* rows(values…): for row in st:rows(…) do … row[1] … end */
static int statement_rows(lua_State *L) {
    start(L);
    lua_pushcfunction(L, statement_step);
    lua_pushvalue(L, 1);
    return 2;
}

/* run(values…) → how many rows were changed; rows that it has are passed over */
static int statement_run(lua_State *L) {
    l_statement *st = start(L);
    while (next_row(L, st))
        continue;
    lua_pushinteger(L, sqlite3_changes(st->db->handle));
    return 1;
}

/* first(values…) → the columns of the first row; nothing where there is none */
static int statement_first(lua_State *L) {
    l_statement *st = start(L);
    if (!next_row(L, st))
        return 0;
    int columns = sqlite3_column_count(st->handle);
    luaL_checkstack(L, columns, "too many columns");
    for (int i = 0; i < columns; i++)
        push_column(L, st->handle, i);
    sqlite3_reset(st->handle);
    return columns;
}

/* columns(values…) → {a list for each column, NaN for NULL}, number of rows */
static int statement_columns(lua_State *L) {
    l_statement *st = start(L);
    int columns = sqlite3_column_count(st->handle), rows = 0;
    lua_settop(L, 1);
    luaL_checkstack(L, columns + 3, "too many columns");
    lua_createtable(L, columns, 0);
    for (int i = 0; i < columns; i++) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawseti(L, 2, i + 1);
    }
    for (; next_row(L, st); rows++)
        for (int i = 0; i < columns; i++) {
            if (sqlite3_column_type(st->handle, i) == SQLITE_NULL)
                lua_pushnumber(L, NAN);
            else
                push_column(L, st->handle, i);
            lua_rawseti(L, 3 + i, rows + 1);
        }
    lua_settop(L, 2);
    lua_pushinteger(L, rows);
    return 2;
}

/* names() → the names of the columns */
static int statement_names(lua_State *L) {
    l_statement *st = check_statement(L);
    int columns = sqlite3_column_count(st->handle);
    lua_createtable(L, columns, 0);
    for (int i = 0; i < columns; i++) {
        lua_pushstring(L, sqlite3_column_name(st->handle, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* reset(): ends a row loop that was left early, and its hold on the database */
static int statement_reset(lua_State *L) {
    sqlite3_reset(check_statement(L)->handle);
    return 0;
}

static int statement_close(lua_State *L) {
    l_statement *st = luaL_checkudata(L, 1, L_STATEMENT);
    if (st->handle && st->db->handle)
        sqlite3_finalize(st->handle);
    st->handle = NULL;
    return 0;
}

/* ---- the module ------------------------------------------------------------------------------ */

static const luaL_Reg database_methods[] = {
    {"backup", database_backup},
    {"close", database_close},
    {"exec", database_exec},
    {"failure", database_failure},
    {"in_transaction", database_in_transaction},
    {"last_id", database_last_id},
    {"moved", database_moved},
    {"prepare", database_prepare},
    {"timeout", database_timeout},
    {"__gc", database_close},

    {NULL, NULL},
};

static const luaL_Reg statement_methods[] = {
    {"bind", statement_bind},
    {"close", statement_close},
    {"columns", statement_columns},
    {"first", statement_first},
    {"names", statement_names},
    {"reset", statement_reset},
    {"rows", statement_rows},
    {"run", statement_run},
    {"step", statement_step},
    {"__gc", statement_close},

    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"open", sqlite_open},
    {NULL, NULL},
};

void l_open_sqlite(lua_State *L) {
    l_new_type(L, L_DATABASE, database_methods);
    l_new_type(L, L_STATEMENT, statement_methods);
    lua_pop(L, 2);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "sqlite");
}
