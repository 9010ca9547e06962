--- The run store: experiments, their runs, metrics over time and artefacts, in one file of SQLite.
--
--     local store = mgd.store("runs.db")
--     exp:run{store = store}
--     local t = store:query{where = {["training.eta"] = {max = 1}}, columns = {"eta", "solved"}}
--
-- Several processes may write at once. Where the file cannot be written (a full disk, a folder that
-- may only be read, a file that was removed), the store goes on in memory and says so;
-- `store:save_as` writes it elsewhere. Where another program holds the file's lock, runs go on,
-- keep their rows, and write them when the lock is gone.
-- The tables are described in docs/store.md.
-- @module mgd.studies.store

require "mgd.studies.experiment" -- the experiments that a store gives can be run

return require "mgd.studies.store.class"
