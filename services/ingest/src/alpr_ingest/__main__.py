from alpr_ingest.main import main

raise SystemExit(main())
