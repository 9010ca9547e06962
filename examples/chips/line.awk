# A whole chip in a few lines of awk, y = w·x + b: the protocol needs no library.
#
#     mgd.chip{instrument = "EXEC::awk -W interactive -f examples/chips/line.awk"}
#
# Only so does mawk, which is Debian's awk, read lines as they come; for others `awk -f` is enough.
# It keeps θ = (w, b) and up to 1000 samples. Each answer is flushed: awk would keep it otherwise.

function answer(text) { print text; fflush() }
BEGIN { w = b = 0; FS = "[ \r]+" }
$1 == "ID"    { answer("OK mgd-lua,line of awk,0,1"); next }
$1 == "DESC"  { answer("OK parameters=2 inputs=1 outputs=1 samples=1000 stateless=1"); next }
$1 == "DATA"  { n = split($3, new, ","); for (i = 1; i <= n; i++) x[$2 + i - 1] = new[i]
                answer("OK"); next }
$1 == "WRITE" && $2 == "" { answer(sprintf("OK %.17g,%.17g", w, b)); next }
$1 == "WRITE" { split($2, theta, ","); w = theta[1]; b = theta[2]; answer("OK"); next }
$1 == "SAFE"  { answer("OK"); next }
$1 == "RUN"   { values = ""; batches = split($8, batch, "/"); twice = length($9) > 1
                for (k = 1; k <= $6 * (1 + twice); k++) {
                    count = split(batch[batches > 1 ? int((k + twice) / (1 + twice)) : 1], number, ",")
                    for (i = 1; i <= count; i++)
                        values = values (values == "" ? "" : ",") sprintf("%.17g", w * x[number[i]] + b)
                }
                answer("OK " values); next }
{ answer("ERR 1 no such request") }
