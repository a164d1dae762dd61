_dubcli_words() { mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$1" -- "$current"); }
_dubcli_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
}

_dubcli() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} path=dubcli word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "${path}_$word" in
        dubcli_run|dubcli_batch|dubcli_conform|dubcli_demo|dubcli_plan|dubcli_status|dubcli_unlock|dubcli_explain|dubcli_report|dubcli_verify|dubcli_purge|dubcli_doctor|dubcli_shots|dubcli_layers|dubcli_cast|dubcli_cue|dubcli_speech|dubcli_motion|dubcli_style|dubcli_farm|dubcli_preset|dubcli_engine|dubcli_cache|dubcli_review|dubcli_shots_show|dubcli_shots_edit|dubcli_shots_import|dubcli_shots_export|dubcli_layers_export|dubcli_layers_import|dubcli_cast_show|dubcli_cast_edit|dubcli_cue_show|dubcli_cue_export|dubcli_cue_import|dubcli_speech_export|dubcli_motion_export|dubcli_motion_import|dubcli_style_lend|dubcli_style_show|dubcli_farm_openjd|dubcli_farm_slurm|dubcli_preset_list|dubcli_preset_show|dubcli_preset_check|dubcli_engine_list|dubcli_engine_show|dubcli_cache_size|dubcli_cache_verify|dubcli_cache_prune|dubcli_review_list|dubcli_review_approve|dubcli_review_reject|dubcli_review_note|dubcli_review_reopen|dubcli_review_takes|dubcli_review_compare) path="${path}_$word" ;;
        esac
    done
    COMPREPLY=()
    case "$path" in
        dubcli)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-V --version -h --help"; else _dubcli_words "run batch conform demo plan status unlock explain report verify purge doctor shots layers cast cue speech motion style farm preset engine cache review"; fi ;;
        dubcli_run)
        case "$previous" in
            -a|--audio) _dubcli_files; return ;;
            --stem) return; return ;;
            --script) _dubcli_files; return ;;
            -o|--out) _dubcli_files; return ;;
            --job) _dubcli_files; return ;;
            --store) _dubcli_files; return ;;
            -p|--preset) _dubcli_words "draft film series"; _dubcli_files; return ;;
            --set) _dubcli_words "split.threshold= split.min_frames= split.max_frames= track.engine= track.device= track.views= track.min_size= track.max_yaw= track.max_pitch= track.min_sharp= track.max_occlusion= cast.apart= cast.require_consent= align.engine= align.offset= cue.threshold= cue.gap= cue.pad= cue.shortest= gallery.budget_mb= learn.source= learn.prior= learn.least_speech= train.size= train.steps= train.person_steps= train.least_footage= train.device= motion.ramp= motion.amplitude= motion.keep_matching= motion.matching= lips.engine= compose.video= compose.codec= compose.encoder= compose.profile= compose.crf= compose.preset= remux.language= remux.original= report.measure= quality.gate= quality.offset_ms= quality.closure_ms= quality.correlation= quality.follows= quality.amplitude= quality.exaggeration= quality.closure_hits= quality.still_motion= quality.tremble= quality.flicker= quality.brightness= quality.sharpness= quality.seam= quality.colour= quality.identity= quality.confidence= engines.accepted= engines.insightface.pack= engines.whisperx.model= engines.whisperx.ctc= engines.whisperx.python= provenance.certificate= provenance.key= run.workers= run.timeout= run.stall= run.retries= run.fallback="; return ;;
            --engine) _dubcli_words "tracker=mediapipe tracker=insightface tracker=passthrough aligner=phones aligner=script aligner=whisperx aligner=passthrough lips=exemplar lips=auto lips=produb lips=passthrough"; return ;;
            --accept-licence) _dubcli_words "mediapipe insightface passthrough phones script whisperx exemplar auto produb"; return ;;
            --workers) return; return ;;
            --fallback) _dubcli_words "none original"; return ;;
            --stage) _dubcli_words "probe scan split track cast align cue gallery learn train adapt motion lips measure compose remux report"; return ;;
            --shots) return; return ;;
            --shard) return; return ;;
            --redo) _dubcli_words "probe scan split track cast align cue gallery learn train adapt motion lips measure compose remux report"; return ;;
            --from) return; return ;;
            --to) return; return ;;
            --changed-only) _dubcli_files; return ;;
            --handles) return; return ;;
            --mezzanine) _dubcli_words "prores dnxhr ffv1"; return ;;
            --expect) return; return ;;
            --recut-of) _dubcli_files; return ;;
            --progress) _dubcli_words "auto bar plain json openjd none"; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "-a --audio --stem --script -o --out --job --store -p --preset --set --engine --accept-licence --keep-matching --workers --fallback --stage --shots --shard --redo --from --to --changed-only --handles --mezzanine --expect --recut-of -f --force -n --dry-run --progress --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_batch)
        case "$previous" in
            --glob) return; return ;;
            --dubs) return; return ;;
            -p|--preset) _dubcli_words "draft film series"; _dubcli_files; return ;;
            --store) _dubcli_files; return ;;
            --workers) return; return ;;
            --fallback) _dubcli_words "none original"; return ;;
            -j|--jobs) return; return ;;
            --retries) return; return ;;
            --reserve) return; return ;;
            --exec) return; return ;;
            --progress) _dubcli_words "auto bar plain json openjd none"; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--glob --dubs -p --preset --store --workers --fallback -j --jobs --fail-fast --keep-going --retries --reserve --exec -f --force -n --dry-run --progress --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_conform)
        case "$previous" in
            -o|--out) _dubcli_files; return ;;
            --rate) return; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "-o --out --rate -f --force -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_demo)
        case "$previous" in
            -o|--out) _dubcli_files; return ;;
            --workers) return; return ;;
            --progress) _dubcli_words "auto bar plain json openjd none"; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "-o --out --workers --progress -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_plan)
        case "$previous" in
            -a|--audio) _dubcli_files; return ;;
            --stem) return; return ;;
            --script) _dubcli_files; return ;;
            -o|--out) _dubcli_files; return ;;
            --job) _dubcli_files; return ;;
            --store) _dubcli_files; return ;;
            -p|--preset) _dubcli_words "draft film series"; _dubcli_files; return ;;
            --set) _dubcli_words "split.threshold= split.min_frames= split.max_frames= track.engine= track.device= track.views= track.min_size= track.max_yaw= track.max_pitch= track.min_sharp= track.max_occlusion= cast.apart= cast.require_consent= align.engine= align.offset= cue.threshold= cue.gap= cue.pad= cue.shortest= gallery.budget_mb= learn.source= learn.prior= learn.least_speech= train.size= train.steps= train.person_steps= train.least_footage= train.device= motion.ramp= motion.amplitude= motion.keep_matching= motion.matching= lips.engine= compose.video= compose.codec= compose.encoder= compose.profile= compose.crf= compose.preset= remux.language= remux.original= report.measure= quality.gate= quality.offset_ms= quality.closure_ms= quality.correlation= quality.follows= quality.amplitude= quality.exaggeration= quality.closure_hits= quality.still_motion= quality.tremble= quality.flicker= quality.brightness= quality.sharpness= quality.seam= quality.colour= quality.identity= quality.confidence= engines.accepted= engines.insightface.pack= engines.whisperx.model= engines.whisperx.ctc= engines.whisperx.python= provenance.certificate= provenance.key= run.workers= run.timeout= run.stall= run.retries= run.fallback="; return ;;
            --engine) _dubcli_words "tracker=mediapipe tracker=insightface tracker=passthrough aligner=phones aligner=script aligner=whisperx aligner=passthrough lips=exemplar lips=auto lips=produb lips=passthrough"; return ;;
            --accept-licence) _dubcli_words "mediapipe insightface passthrough phones script whisperx exemplar auto produb"; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "-a --audio --stem --script -o --out --job --store -p --preset --set --engine --accept-licence --keep-matching --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_status)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-w --watch --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_unlock)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "--force -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_explain)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "--json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_report)
        case "$previous" in
            --format) _dubcli_words "html csv edl"; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--format --open --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_verify)
        case "$previous" in
            --job) _dubcli_files; return ;;
            --trust) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --trust --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_purge)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-n --dry-run --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_doctor)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "--json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_shots)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "show edit import export"; fi ;;
        dubcli_shots_show)
        case "$previous" in
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_shots_edit)
        case "$previous" in
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_shots_import)
        case "$previous" in
            --job) _dubcli_files; return ;;
            --side) _dubcli_words "auto record source"; return ;;
            --start) return; return ;;
            --timeline) return; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --side --start --timeline -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_shots_export)
        case "$previous" in
            -o|--out) _dubcli_files; return ;;
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "-o --out --job -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_layers)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "export import"; fi ;;
        dubcli_layers_export)
        case "$previous" in
            -o|--out) _dubcli_files; return ;;
            --job) _dubcli_files; return ;;
            --shot) return; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "-o --out --job --shot -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_layers_import)
        case "$previous" in
            --face) return; return ;;
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--face --job -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_cast)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "show edit"; fi ;;
        dubcli_cast_show)
        case "$previous" in
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_cast_edit)
        case "$previous" in
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_cue)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "show export import"; fi ;;
        dubcli_cue_show)
        case "$previous" in
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_cue_export)
        case "$previous" in
            --job) _dubcli_files; return ;;
            -o|--out) _dubcli_files; return ;;
            --format) _dubcli_words "json csv"; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job -o --out --format -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_cue_import)
        case "$previous" in
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_speech)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "export"; fi ;;
        dubcli_speech_export)
        case "$previous" in
            --job) _dubcli_files; return ;;
            --of) _dubcli_words "dub film"; return ;;
            -o|--out) _dubcli_files; return ;;
            --format) _dubcli_words "textgrid json"; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --of -o --out --format -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_motion)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "export import"; fi ;;
        dubcli_motion_export)
        case "$previous" in
            --job) _dubcli_files; return ;;
            -o|--out) _dubcli_files; return ;;
            --format) _dubcli_words "json csv"; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job -o --out --format -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_motion_import)
        case "$previous" in
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_style)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "lend show"; fi ;;
        dubcli_style_lend)
        case "$previous" in
            --job) _dubcli_files; return ;;
            --name) return; return ;;
            --person) return; return ;;
            --progress) _dubcli_words "auto bar plain json openjd none"; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --name --person --progress -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_style_show)
        case "$previous" in
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_farm)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "openjd slurm"; fi ;;
        dubcli_farm_openjd)
        case "$previous" in
            --job) _dubcli_files; return ;;
            --shards) return; return ;;
            --workers) return; return ;;
            -o|--out) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --shards --workers -o --out -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_farm_slurm)
        case "$previous" in
            --job) _dubcli_files; return ;;
            --shards) return; return ;;
            --workers) return; return ;;
            -o|--out) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --shards --workers -o --out -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_preset)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "list show check"; fi ;;
        dubcli_preset_list)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "--json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_preset_show)
        case "$previous" in
            --set) _dubcli_words "split.threshold= split.min_frames= split.max_frames= track.engine= track.device= track.views= track.min_size= track.max_yaw= track.max_pitch= track.min_sharp= track.max_occlusion= cast.apart= cast.require_consent= align.engine= align.offset= cue.threshold= cue.gap= cue.pad= cue.shortest= gallery.budget_mb= learn.source= learn.prior= learn.least_speech= train.size= train.steps= train.person_steps= train.least_footage= train.device= motion.ramp= motion.amplitude= motion.keep_matching= motion.matching= lips.engine= compose.video= compose.codec= compose.encoder= compose.profile= compose.crf= compose.preset= remux.language= remux.original= report.measure= quality.gate= quality.offset_ms= quality.closure_ms= quality.correlation= quality.follows= quality.amplitude= quality.exaggeration= quality.closure_hits= quality.still_motion= quality.tremble= quality.flicker= quality.brightness= quality.sharpness= quality.seam= quality.colour= quality.identity= quality.confidence= engines.accepted= engines.insightface.pack= engines.whisperx.model= engines.whisperx.ctc= engines.whisperx.python= provenance.certificate= provenance.key= run.workers= run.timeout= run.stall= run.retries= run.fallback="; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--set --yaml --json -q --quiet -v --verbose -h --help"; else _dubcli_words "draft film series"; _dubcli_files; fi ;;
        dubcli_preset_check)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "--json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_engine)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "list show"; fi ;;
        dubcli_engine_list)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "--json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_engine_show)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "--json -q --quiet -v --verbose -h --help"; else _dubcli_words "mediapipe insightface passthrough phones script whisperx exemplar auto produb"; _dubcli_files; fi ;;
        dubcli_cache)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "size verify prune"; fi ;;
        dubcli_cache_size)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "--json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_cache_verify)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "--repair --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_cache_prune)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-n --dry-run --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_review)
        case "$previous" in
        esac
        if [[ $current == -* ]]; then _dubcli_words "-h --help"; else _dubcli_words "list approve reject note reopen takes compare"; fi ;;
        dubcli_review_list)
        case "$previous" in
            --job) _dubcli_files; return ;;
            --state) _dubcli_words "open approved rejected"; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --state --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_review_approve)
        case "$previous" in
            --take) return; return ;;
            --note) return; return ;;
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--take --note --job -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_review_reject)
        case "$previous" in
            --set) _dubcli_words "split.threshold= split.min_frames= split.max_frames= track.engine= track.device= track.views= track.min_size= track.max_yaw= track.max_pitch= track.min_sharp= track.max_occlusion= cast.apart= cast.require_consent= align.engine= align.offset= cue.threshold= cue.gap= cue.pad= cue.shortest= gallery.budget_mb= learn.source= learn.prior= learn.least_speech= train.size= train.steps= train.person_steps= train.least_footage= train.device= motion.ramp= motion.amplitude= motion.keep_matching= motion.matching= lips.engine= compose.video= compose.codec= compose.encoder= compose.profile= compose.crf= compose.preset= remux.language= remux.original= report.measure= quality.gate= quality.offset_ms= quality.closure_ms= quality.correlation= quality.follows= quality.amplitude= quality.exaggeration= quality.closure_hits= quality.still_motion= quality.tremble= quality.flicker= quality.brightness= quality.sharpness= quality.seam= quality.colour= quality.identity= quality.confidence= engines.accepted= engines.insightface.pack= engines.whisperx.model= engines.whisperx.ctc= engines.whisperx.python= provenance.certificate= provenance.key= run.workers= run.timeout= run.stall= run.retries= run.fallback="; return ;;
            --note) return; return ;;
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--set --note --job -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_review_note)
        case "$previous" in
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_review_reopen)
        case "$previous" in
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_review_takes)
        case "$previous" in
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--job --json -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
        dubcli_review_compare)
        case "$previous" in
            --take) return; return ;;
            --job) _dubcli_files; return ;;
        esac
        if [[ $current == -* ]]; then _dubcli_words "--take --job -q --quiet -v --verbose -h --help"; else _dubcli_words ""; _dubcli_files; fi ;;
    esac
}

complete -F _dubcli dubcli
