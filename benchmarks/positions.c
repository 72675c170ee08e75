/* Positions of flashes as plain C would make them, every sum left to the compiler: what this machine can do.
   The same tables as daq.pipeline.headtables; one head, 64 channels. */
#include <math.h>
#include <stdint.h>

enum { N = 64, VALUES = 4 * N + 16 };

typedef struct {
    const float *channels; /* pedestals, gains, x, y */
    const uint16_t *limits;
    const float *points;
    int64_t first, rows, columns;
    float reach_x, reach_y, threshold, x0, y0, step, per_mm, widest;
} Head;

static int lit(const uint16_t *codes, const Head *head, float *light, float *sums)
{
    float sum = 0, of_x = 0, of_y = 0;
    int beyond = 0;
    for (int c = 0; c < N; c++) {
        float one = ((float)codes[c] - head->channels[c]) * head->channels[N + c];
        light[c] = one;
        sum += one;
        of_x += one * head->channels[2 * N + c];
        of_y += one * head->channels[3 * N + c];
        beyond |= codes[c] > head->limits[c];
    }
    sums[0] = sum, sums[1] = of_x, sums[2] = of_y;
    return beyond;
}

static void combined(const float *light, const float *weights, float *sums)
{
    float a = 0, b = 0, d = 0;
    for (int c = 0; c < N; c++) {
        a += light[c] * weights[c];
        b += light[c] * weights[N + c];
        d += light[c] * weights[2 * N + c];
    }
    sums[0] = a, sums[1] = b, sums[2] = d;
}

static int64_t nearest(float place, float begin, float per_mm, int64_t count)
{
    float at = (place - begin) * per_mm + 0.5f;
    if (!(at > 0)) at = 0;
    return (int64_t)(at < (float)(count - 1) ? at : (float)(count - 1));
}

static float clipped(float value, float widest)
{
    return value < -widest ? -widest : value > widest ? widest : value;
}

/* estimator: 0 centroid, 1 weighted centroid, 2 maximum likelihood */
void locate(const uint16_t *codes, int64_t events, int64_t estimator, const Head *head, float *x_mm, float *y_mm, float *kev)
{
    float light[N], sums[3];
    for (int64_t event = 0; event < events; event++) {
        x_mm[event] = y_mm[event] = kev[event] = NAN;
        if (lit(codes + N * event, head, light, sums) || !(sums[0] > 0)) continue;
        const float sum = sums[0];
        float energy = sum, x = sums[1] / energy, y = sums[2] / energy;
        if (estimator >= 1) {
            float beyond = energy * head->threshold;
            float sum_more = 0, of_x = 0, of_y = 0;
            for (int c = 0; c < N; c++) {
                float more = light[c] > beyond ? light[c] - beyond : 0;
                sum_more += more;
                of_x += more * head->channels[2 * N + c];
                of_y += more * head->channels[3 * N + c];
            }
            sums[0] = sum_more, sums[1] = of_x, sums[2] = of_y;
            if (sums[0] > 0) x = sums[1] / sums[0], y = sums[2] / sums[0];
        }
        for (int step = 0; estimator == 2 && step < 4; step++) {
            int64_t column = nearest(x, head->x0, head->per_mm, head->columns);
            int64_t row = nearest(y, head->y0, head->per_mm, head->rows);
            const float *point = head->points + VALUES * (head->first + row * head->columns + column);
            const float *seen = point + 4 * N + 6;
            combined(light, point, sums);
            if (!(sums[0] > 0)) { energy = 0; break; }
            float dx = sums[1] / sums[0], dy = sums[2] / sums[0];
            x = head->x0 + (float)column * head->step + clipped(dx, head->widest);
            y = head->y0 + (float)row * head->step + clipped(dy, head->widest);
            energy = sum / (seen[0] + seen[1] * dx + seen[2] * dy);
            if (fabsf(dx) <= 0.75f * head->step && fabsf(dy) <= 0.75f * head->step) break;
        }
        if (energy > 0 && fabsf(x) <= head->reach_x && fabsf(y) <= head->reach_y)
            x_mm[event] = x, y_mm[event] = y, kev[event] = energy;
    }
}
