/* A run that is recorded. The engine tells the recorder what it asks and gets, where it does so. */

#include "record.h"
#include "engines.h"

#include <string.h>

mgd_status mgd_run_record(mgd_context *ctx, mgd_run *run, const char *path) {
    if (run->engine->measure != mgd_step_measure)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "record: costs are recorded that a step measures once: expected the engine "
                        "discrete, circuit, or analog with integrator euler, and perturb = "
                        "\"parameters\"");
    run->recording.age = mgd_chip_age(run->chip);
    MGD_TRY(mgd_run_theta(ctx, run, &run->recording.theta));
    return mgd_recorder_new(ctx, path, &run->recording.recorder);
}

/* With the numbers of all replicas, and θ of one where all are alike. */
static mgd_status begin(mgd_context *ctx, mgd_run *run, mgd_recording_head *head, bool resumes) {
    const char *rows = mgd_tensor_data(run->recording.theta);
    const size_t row = head->parameters * run->real;
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "recording", head->replicas, sizeof(uint64_t), &memory));
    uint64_t *numbers = memory;
    head->numbers = numbers;
    head->theta = rows;
    head->theta_rows = 1;
    for (size_t r = 0; r < head->replicas; r++) {
        numbers[r] = run->state.number[run->state.seat[r]];
        if (memcmp(rows, rows + r * row, row) != 0)
            head->theta_rows = head->replicas;
    }
    mgd_status status = resumes ? mgd_recorder_resume(ctx, run->recording.recorder, head)
                                : mgd_recorder_begin(ctx, run->recording.recorder, head);
    mgd_free(numbers);
    return status;
}

mgd_status mgd_run_record_begin(mgd_context *ctx, mgd_run *run, const char *text, size_t length,
                                bool resumes, bool keeps_theta) {
    if (run->recording.begun) {
        mgd_recorder_go_on(run->recording.recorder);
        return MGD_OK;
    }
    mgd_recording_head head = {.dtype = run->chip->dtype,
                               .keeps_theta = keeps_theta && run->session->write,
                               .parameters = run->parameters,
                               .replicas = run->train.replicas,
                               .signals = run->signals.count,
                               .begin = run->clock.step,
                               .resolution = run->chip->resolution,
                               .age = run->recording.age,
                               .text = text,
                               .text_length = length};
    if (head.keeps_theta && !run->recording.asked &&
        !mgd_take(&run->recording.asked, run->layout.workers, mgd_run_unit_bytes(run)))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: recording θ as it is written");
    MGD_TRY(begin(ctx, run, &head, resumes));
    mgd_tensor_free(run->recording.theta);
    run->recording.theta = NULL;
    run->recording.begun = true;
    return MGD_OK;
}

void mgd_run_record_pause(mgd_run *run) {
    mgd_recorder_pause(run->recording.recorder);
}

void mgd_run_record_end(mgd_run *run) {
    mgd_recorder_free(run->recording.recorder);
    mgd_tensor_free(run->recording.theta);
    mgd_free(run->recording.asked);
    run->recording = (mgd_recorded_run){0};
}

void mgd_run_record_row(mgd_run *run, size_t count, const char *const *names,
                        const double *values) {
    mgd_recorder_row(run->recording.recorder, run->clock.step, count, names, values);
}

const char *mgd_run_record_news(mgd_run *run) {
    return mgd_recorder_news(run->recording.recorder);
}
